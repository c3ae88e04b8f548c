"""Which of the SMS that a provider reports are news, and the key by which each is stored once.

Pure. A provider repeats what it reported before, by its list and by its status, in full or only the
newest; the same code may also truly come twice.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from poller.providers.answers import Sms
from poller.work import Row, SmsArrived


def unseen(reported: Sequence[Sms], known: Sequence[Sms]) -> list[Sms]:
    """The reported SMS that are not among the known ones, in order.

    Where the report begins with all that is known, what follows is news even if it repeats a code.
    """
    begins_alike = len(reported) >= len(known) and all(map(same, reported, known))
    if begins_alike:
        return list(reported[len(known) :])
    return [sms for sms in reported if not any(same(sms, other) for other in known)]


def same(one: Sms, other: Sms) -> bool:
    """The same SMS, as far as both are known; without a code its text stands in its place."""
    if one.code is not None and other.code is not None:
        return one.code == other.code
    return _told(one) == _told(other)


def _told(sms: Sms) -> str | None:
    return sms.text if sms.code is None else sms.code


def arrivals(row: Row, reported: Sequence[Sms], now: datetime) -> list[SmsArrived]:
    """What of the report is to be stored for this row."""
    first = len(row.known) + 1
    news = unseen(reported, row.known)
    return [
        SmsArrived(sms, now, dedupe_key(row, place, sms)) for place, sms in enumerate(news, first)
    ]


def dedupe_key(row: Row, place: int, sms: Sms) -> str:
    """The order, the how-many-th SMS on it, and what it says: the same from list and status.

    Hashed, so that no key tells a code where only keys are shown.
    """
    said = _told(sms) or ""
    digest = hashlib.sha256(f"{row.order_id}:{said}".encode()).hexdigest()
    return f"{row.order_id}:{place}:{digest[:16]}"
