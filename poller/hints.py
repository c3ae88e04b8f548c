"""What becomes of webhooks: each is believed only as far as the provider says the same when asked.

Pure. Promised to users: what a webhook tells is never delivered, let alone charged, by itself. A
forged one costs some questions, ever rarer and no more than MAX_TRIES of them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from poller.providers.answers import Sms
from poller.work import Hint, HintClosed, HintLater, Row

MAX_TRIES = 7  # after 1, 2, 4, ... s: two minutes, and the regular looks go on anyway
MAX_WAIT_S = 60.0


def judged(
    row: Row, now: datetime, reported: Sequence[Sms] | None
) -> tuple[HintClosed | HintLater, ...]:
    """What becomes of each hint of the row. `reported` None: the provider did not answer."""
    return tuple(_judged(hint, row, now, reported) for hint in row.hints)


def _judged(
    hint: Hint, row: Row, now: datetime, reported: Sequence[Sms] | None
) -> HintClosed | HintLater:
    if any(_tells(hint, sms) for sms in (*row.known, *row.late, *(reported or ()))):
        return HintClosed(hint.id, "confirmed")
    if hint.tries + 1 >= MAX_TRIES:
        return HintClosed(hint.id, "unanswered" if reported is None else "unconfirmed")
    return HintLater(hint.id, now + timedelta(seconds=min(MAX_WAIT_S, 2.0**hint.tries)))


def _tells(hint: Hint, sms: Sms) -> bool:
    """Whether it speaks of that SMS; one that tells neither code nor text speaks of any."""
    if hint.code is None and hint.text is None:
        return True
    same_code = hint.code is not None and hint.code == sms.code
    return same_code or (hint.text is not None and hint.text == sms.text)
