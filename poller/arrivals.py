"""Which of the SMS that a provider reports are news, and the key by which each is stored once.

Pure. A provider repeats what it reported before, by its list and by its status, in full or only the
newest; the same code may also truly come twice.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from poller.providers.answers import Sms
from poller.providers.reading import same, told
from poller.work import Row, SmsArrived, Source, TextCompleted


def unseen(reported: Sequence[Sms], known: Sequence[Sms]) -> list[Sms]:
    """The reported SMS that are not among the known ones, in order.

    Where the report begins with all that is known, what follows is news even if it repeats a code.
    """
    begins_alike = len(reported) >= len(known) and all(map(same, reported, known))
    if begins_alike:
        return list(reported[len(known) :])
    return [sms for sms in reported if not any(same(sms, other) for other in known)]


def arrivals(
    row: Row, reported: Sequence[Sms], now: datetime, source: Source = "poller"
) -> list[SmsArrived]:
    """What of the report is to be stored for this row."""
    known = (*row.known, *row.late)
    return [
        SmsArrived(sms, now, dedupe_key(row, place, sms), source)
        for place, sms in enumerate(unseen(reported, known), len(known) + 1)
    ]


def the_same_again(row: Row, sms: Sms, now: datetime) -> SmsArrived:
    """An SMS that says what the one before it said, and is known to be another one."""
    place = len(row.known) + len(row.late) + 1
    return SmsArrived(sms, now, dedupe_key(row, place, sms))


def completions(row: Row, reported: Sequence[Sms]) -> list[TextCompleted]:
    """The texts that the report has for stored SMS of which only the code is known."""
    left = list(reported)
    found: list[TextCompleted] = []
    for id, known in zip(row.message_ids, row.known, strict=True):
        match = next((sms for sms in left if same(sms, known)), None)
        if match is None:
            continue
        left.remove(match)
        if known.text is None and match.text is not None:
            found.append(TextCompleted(id, match.text))
    return found


def dedupe_key(row: Row, place: int, sms: Sms) -> str:
    """The order, the how-many-th SMS on it, and what it says: the same from list and status.

    Hashed, so that no key tells a code where only keys are shown.
    """
    said = told(sms) or ""
    digest = hashlib.sha256(f"{row.order_id}:{said}".encode()).hexdigest()
    return f"{row.order_id}:{place}:{digest[:16]}"
