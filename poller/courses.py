"""How to deal with a number that we hold: what to ask its provider, and what follows from it.

Pure. Promised to users: no money comes back before the provider has been asked and has said that
the number is over; an SMS that turned up is delivered, whatever else was meant; a word that nobody
expected leaves everything as it was.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from poller import rereading
from poller.accounts import CANCEL_AFTER_S, Account
from poller.arrivals import arrivals, completions, the_same_again
from poller.providers.answers import (
    AllSms,
    Arrived,
    AskedAgain,
    Cancelled,
    Finished,
    NotKnown,
    Refused,
    Waiting,
)
from poller.purchase import purchase
from poller.steps import (
    AskAgain,
    Cancel,
    Check,
    Course,
    Finish,
    Heard,
    ReadAll,
    became,
    ended,
    led_nowhere,
    still_waiting,
    taken_back,
    word,
)
from poller.work import (
    AnotherRefused,
    CancelRefused,
    Change,
    Ended,
    Outcome,
    Row,
    SmsArrived,
)

TRY_CANCEL_AGAIN = timedelta(seconds=15)
THE_REST_AFTER = timedelta(seconds=2)
LOOKS_FOR_THE_REST = 4
NOT_KNOWN = "unknown_to_provider"
STILL_SHOWN = "another SMS asked for, and not seen to be awaited"


def course_for(row: Row, account: Account, now: datetime) -> Course | Outcome:
    """The course that fits the row as it is now, or what comes of it without any question."""
    if row.order_id is not None and rereading.is_wanted(row):
        return rereading.reread(row, row.order_id)
    if row.is_over:
        return became(row, now, row.status)
    if row.status == "requested":
        return purchase(row, account, now)
    if row.order_id is None:
        return _without_number(row, now)
    return _course_of_number(row, row.order_id, account, now)


def _course_of_number(row: Row, order_id: str, account: Account, now: datetime) -> Course:
    """A status tells the newest SMS alone: where a list tells more, the rest is read soon after."""
    outcome = yield from _by_status(row, order_id, account, now)
    arrived = any(isinstance(change, SmsArrived) for change in outcome.changes)
    if not (arrived and account.speaks.list_tells_more) or row.status == "received":
        return outcome
    is_over = any(isinstance(change, Ended) for change in outcome.changes)
    return outcome if is_over else replace(outcome, look_at=now + THE_REST_AFTER)


def _by_status(row: Row, order_id: str, account: Account, now: datetime) -> Course:
    if row.status == "cancelling":
        return (yield from _cancel(row, order_id, account))
    wants_end = row.charged and row.asked_for("finish")
    if row.status == "received":
        over = wants_end or now >= row.ends_at
        more = _look_for_more(row, order_id, account)
        return (yield from _finish(row, order_id) if over else more)
    if now >= row.ends_at:
        return (yield from _expire(row, order_id))
    return (yield from _finish(row, order_id) if wants_end else _look(row, order_id))


def _without_number(row: Row, now: datetime) -> Outcome:
    """A row that somebody wrote by hand: no provider holds a number, so none has to be asked."""
    if row.status == "cancelling":
        return ended(row, now, "cancelled")
    if row.charged and (row.asked_for("finish") or now >= row.ends_at):
        return ended(row, now, "completed")
    if now >= row.ends_at:
        return ended(row, now, "timeout")
    return still_waiting(row, now)


def _look(row: Row, order_id: str) -> Course:
    """A number that waits for its SMS, or for one more."""
    heard = yield Check(order_id)
    match heard.answer:
        case Waiting():
            return still_waiting(row, heard.now)
        case Arrived() as shown:
            news = _with_news(row, heard)
            return news or (yield from _shown_again(row, order_id, shown, heard.now))
        case Cancelled():
            return taken_back(row, heard.now)
        case NotKnown() if _wants_another(row):
            return _no_other(row, heard, NOT_KNOWN)
        case _:
            return led_nowhere(row, heard, "check")


def _wants_another(row: Row) -> bool:
    """Whether the row went back to `pending` just now, by its user's wish or an operator's."""
    return row.charged and (row.attempts == 0 or row.asked_for("another"))


def _shown_again(row: Row, order_id: str, shown: Arrived, now: datetime) -> Course:
    """The row went back to `pending`, and the provider shows an SMS that we have, or its like."""
    if row.awaits_another and not shown.whole:
        return became(row, now, "received", the_same_again(row, shown.sms, now))
    heard = yield AskAgain(order_id)
    match heard.answer:
        case AskedAgain() if shown.whole:
            return still_waiting(row, heard.now)
        case AskedAgain():
            return (yield from _agreed(row, order_id))
        case Refused():
            return _no_other(row, heard, "another_refused")
        case NotKnown():
            return _no_other(row, heard, NOT_KNOWN)
        case Cancelled():
            return taken_back(row, heard.now)
        case _:
            return led_nowhere(row, heard, "another SMS")


def _agreed(row: Row, order_id: str) -> Course:
    """Whether the provider shows no SMS now: only then is the next that it shows another one."""
    heard = yield Check(order_id)
    waits = still_waiting(row, heard.now)
    if isinstance(heard.answer, Waiting):
        return waits
    return _with_news(row, heard) or replace(waits, error=f"{STILL_SHOWN}: {word(heard.answer)}")


def _no_other(row: Row, heard: Heard, failure: str) -> Outcome:
    return became(row, heard.now, "received", AnotherRefused(failure))


def _look_for_more(row: Row, order_id: str, account: Account) -> Course:
    """A number that has had its SMS: somebody asks about it, or its newest SMS alone was told."""
    heard = yield ReadAll(order_id) if account.speaks.list_tells_more else Check(order_id)
    match heard.answer:
        case AllSms(sms, whole=whole):
            told: list[Change] = [*completions(row, sms), *arrivals(row, sms, heard.now)]
            outcome = became(row, heard.now, "received", *told)
            again = not whole and row.attempts < LOOKS_FOR_THE_REST
            return replace(outcome, look_at=heard.now + THE_REST_AFTER) if again else outcome
        case Arrived():
            return _with_news(row, heard) or still_waiting(row, heard.now)
        case Waiting():
            return still_waiting(row, heard.now)
        case Cancelled():
            return taken_back(row, heard.now)
        case _:
            return led_nowhere(row, heard, "check")


def _expire(row: Row, order_id: str) -> Course:
    """A number past its time: a last look, then it is given back, and the provider has to agree."""
    first = yield Check(order_id)
    match first.answer:
        case Cancelled():
            return taken_back(row, first.now)
        case Arrived() if (news := _with_news(row, first)) is not None:
            return news
        case Arrived() | Waiting() | NotKnown() if row.charged:
            return (yield from _close(row, order_id, first))
        case Waiting() | NotKnown():
            return (yield from _give_back(row, order_id, first))
        case _:
            return led_nowhere(row, first, "last check")


def _give_back(row: Row, order_id: str, first: Heard) -> Course:
    heard = yield Cancel(order_id)
    match heard.answer:
        case Cancelled():
            return taken_back(row, heard.now)
        case NotKnown() if isinstance(first.answer, NotKnown):
            return ended(row, heard.now, "timeout", NOT_KNOWN)
        case Refused():
            # The SMS may have come, or the number may have ended, between the two questions.
            return (yield from _after_refusal(row, order_id))
        case _:
            return led_nowhere(row, heard, "cancel at expiry")


def _after_refusal(row: Row, order_id: str) -> Course:
    heard = yield Check(order_id)
    if isinstance(heard.answer, Cancelled):
        return taken_back(row, heard.now)
    return _with_news(row, heard) or led_nowhere(row, heard, "cancel at expiry refused")


def _cancel(row: Row, order_id: str, account: Account) -> Course:
    """A number that its user or an operator wants to give back."""
    heard = yield Cancel(order_id)
    match heard.answer:
        case Cancelled():
            return ended(row, heard.now, "cancelled")
        case Refused() as refused:
            return (yield from _cancel_refused(row, order_id, account, refused))
        case NotKnown():
            return (yield from _cancel_unknown(row, order_id))
        case _:
            return led_nowhere(row, heard, "cancel")


def _cancel_refused(row: Row, order_id: str, account: Account, refused: Refused) -> Course:
    heard = yield Check(order_id)
    match heard.answer:
        case Cancelled():
            return ended(row, heard.now, "cancelled")
        case Waiting():
            return _kept(row, account, refused, heard.now)
        case Arrived():
            return _with_news(row, heard) or _kept(row, account, refused, heard.now)
        case _:
            return led_nowhere(row, heard, "cancel refused")


def _kept(row: Row, account: Account, refused: Refused, now: datetime) -> Outcome:
    """The provider keeps the number: it goes on waiting, and the user learns from when not."""
    change = CancelRefused("cancel_refused", None)
    if refused.word == "EARLY_CANCEL_DENIED":
        min_age_s = refused.cancel_after_s or max(account.cancel_after_s, CANCEL_AFTER_S)
        allowed = row.created_at + timedelta(seconds=min_age_s)
        again = allowed if allowed > now else now + TRY_CANCEL_AGAIN
        change = CancelRefused("cancel_too_early", again)
    kept = became(row, now, "pending", change)
    # Of a number that is paid for nobody has seen whether it waits for another SMS.
    return replace(kept, error=f"cancel: {refused.word}") if row.charged else kept


def _cancel_unknown(row: Row, order_id: str) -> Course:
    heard = yield Check(order_id)
    if isinstance(heard.answer, Cancelled):
        return ended(row, heard.now, "cancelled")
    if isinstance(heard.answer, NotKnown) and heard.now >= row.ends_at:
        return ended(row, heard.now, "cancelled", NOT_KNOWN)
    return _with_news(row, heard) or led_nowhere(row, heard, "cancel of an unknown number")


def _finish(row: Row, order_id: str) -> Course:
    """A number that is paid for: a last look for an SMS that nobody has seen, then it is closed."""
    last = yield Check(order_id)
    match last.answer:
        case Arrived() | Waiting():
            return (yield from _close(row, order_id, last))
        case Cancelled() | NotKnown():
            return ended(row, last.now, "completed")
        case _:
            return led_nowhere(row, last, "last check")


def _close(row: Row, order_id: str, last: Heard) -> Course:
    news = arrivals(row, last.answer.every, last.now) if isinstance(last.answer, Arrived) else []
    heard = yield Finish(order_id)
    match heard.answer:
        case Finished() | Cancelled() | NotKnown():
            return became(row, heard.now, "completed", *news, Ended("completed"))
        case Refused() if heard.now >= row.ends_at:
            # Paid for and past its time: whatever the provider minds, nothing is left to be had.
            return became(row, heard.now, "completed", *news, Ended("completed"))
        case Refused() as refused:
            waits = still_waiting(row, heard.now, *news)
            return replace(waits, error=f"finish: {refused.word}")
        case _:
            return led_nowhere(row, heard, "finish", *news)


def _with_news(row: Row, heard: Heard) -> Outcome | None:
    if not isinstance(heard.answer, Arrived):
        return None
    news = arrivals(row, heard.answer.every, heard.now)
    return became(row, heard.now, "received", *news) if news else None
