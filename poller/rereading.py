"""Reading again everything that a provider still knows of a number, whatever became of it.

Pure. Promised to users: what they have paid for and did not get is delivered, a text that was
missing is filled in, nothing is charged twice; an SMS of a number whose money went back is kept for
operators. A recovery is answered once, also where the provider did not answer.
"""

from dataclasses import replace

from poller.arrivals import arrivals, completions
from poller.providers.answers import AllSms, Cancelled, NotKnown
from poller.steps import Course, Heard, ReadAll, taken_back
from poller.work import Change, NumberState, Outcome, Row

FOUND = "found"
UNANSWERED = "unanswered"


def reread(row: Row, order_id: str) -> Course:
    """The row's own schedule goes on as it was: only what was found is written."""
    heard = yield ReadAll(order_id)
    match heard.answer:
        case AllSms():
            return _told(row, heard, heard.answer)
        case Cancelled():
            return _taken_back(row, heard)
        case NotKnown():
            return Outcome(row, answered=_answered(row, FOUND), number="unknown")
        case _:
            return Outcome(row, answered=_answered(row, UNANSWERED))


def _told(row: Row, heard: Heard, found: AllSms) -> Outcome:
    completed: list[Change] = [*completions(row, found.sms)]
    changes = (*completed, *arrivals(row, found.sms, heard.now, "recover"))
    number: NumberState = "alive" if found.alive and not row.is_over else "over"
    return Outcome(row, changes, answered=_answered(row, FOUND), number=number)


def _taken_back(row: Row, heard: Heard) -> Outcome:
    outcome = Outcome(row) if row.is_over else taken_back(row, heard.now)
    answered = (*outcome.answered, *_answered(row, FOUND))
    return replace(outcome, answered=answered, number="over")


def _answered(row: Row, word: str) -> tuple[tuple[int, str], ...]:
    return tuple((request.id, word) for request in row.requests if request.kind == "recover")
