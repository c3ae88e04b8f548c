"""Putting together what a provider tells of one number in several answers.

Pure. A status shows the newest SMS with its text, a list shows all of them, sometimes without: an
SMS is told once, with all that any answer knew of it.
"""

from dataclasses import replace

from poller.providers.answers import (
    ActiveAnswer,
    ActiveList,
    AllAnswer,
    AllSms,
    Arrived,
    Sms,
    StatusAnswer,
    Waiting,
)


def same(one: Sms, other: Sms) -> bool:
    """The same SMS, as far as both are known; without a code its text stands in its place."""
    if one.code is not None and other.code is not None:
        return one.code == other.code
    return told(one) == told(other)


def told(sms: Sms) -> str | None:
    """The code, or where there is none the text."""
    return sms.text if sms.code is None else sms.code


def from_status(status: StatusAnswer) -> AllAnswer:
    """What the plain status of a number says of its SMS. A code that waits is no news."""
    match status:
        case Waiting():
            return AllSms()
        case Arrived() as arrived:
            return AllSms(arrived.every)
        case _:
            return status


def merged(status: AllSms, listed: ActiveAnswer, order_id: str) -> AllSms:
    """What the status of a number and the list of all, in which it may stand, say together."""
    rows = listed.rows if isinstance(listed, ActiveList) else ()
    entry = next((row for row in rows if row.order_id == order_id), None)
    if entry is None:
        return replace(status, whole=False)
    newer = [sms for sms in status.sms if not any(same(sms, other) for other in entry.sms)]
    known = [_with_text(sms, status.sms) for sms in entry.sms]
    return AllSms((*known, *newer), alive=status.alive and entry.alive)


def _with_text(sms: Sms, others: tuple[Sms, ...]) -> Sms:
    found = (other.text for other in others if other.text and same(sms, other))
    return sms if sms.text else replace(sms, text=next(found, None))
