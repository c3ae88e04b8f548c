"""Reading again all that a provider still knows of a number, whatever became of it.

Done because a user wants it, or because a webhook tells of an SMS.
Pure. Promised to users: what they have paid for and did not get is delivered, a text that was
missing is filled in, nothing is charged twice; an SMS of a number whose money went back is kept for
operators. A recovery is answered once, also where the provider did not answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from poller.arrivals import arrivals, completions
from poller.hints import judged
from poller.providers.answers import AllSms, Cancelled, NotKnown, Sms
from poller.steps import Course, ReadAll, taken_back
from poller.work import Change, NumberState, Outcome, Row, Source

FOUND = "found"
UNANSWERED = "unanswered"


def is_wanted(row: Row) -> bool:
    """Whether somebody asks for it now."""
    return row.order_id is not None and (row.asked_for("recover") or bool(row.hints))


def reread(row: Row, order_id: str) -> Course:
    """The row's own schedule goes on as it was: only what was found is written."""
    heard = yield ReadAll(order_id)
    match heard.answer:
        case AllSms(sms, alive):
            changes = _changes(row, sms, heard.now)
            outcome = Outcome(row, changes, hints=judged(row, heard.now, sms))
            return _answered(outcome, FOUND, "alive" if alive and not row.is_over else "over")
        case Cancelled():
            outcome = Outcome(row) if row.is_over else taken_back(row, heard.now)
            return _answered(replace(outcome, hints=judged(row, heard.now, ())), FOUND, "over")
        case NotKnown():
            hints = judged(row, heard.now, ())
            return _answered(Outcome(row, hints=hints), FOUND, "unknown")
        case _:
            hints = judged(row, heard.now, None)
            return _answered(Outcome(row, hints=hints), UNANSWERED, None)


def _changes(row: Row, reported: Sequence[Sms], now: datetime) -> tuple[Change, ...]:
    source: Source = "webhook" if row.hints else "recover"
    return (*completions(row, reported), *arrivals(row, reported, now, source))


def _answered(outcome: Outcome, word: str, number: NumberState | None) -> Outcome:
    """The same with a word for each recovery that was asked for."""
    requests = outcome.row.requests
    words = tuple((request.id, word) for request in requests if request.kind == "recover")
    return replace(outcome, answered=(*outcome.answered, *words), number=number)
