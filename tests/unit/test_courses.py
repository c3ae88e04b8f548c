"""How a number is dealt with, for everything that its provider can answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from poller.accounts import Account
from poller.courses import course_for
from poller.providers.answers import (
    AccountRefused,
    AllSms,
    Arrived,
    AskedAgain,
    Cancelled,
    Finished,
    NoAnswer,
    NotKnown,
    Refused,
    Sms,
    Unexpected,
    Waiting,
)
from poller.steps import Answer, AskAgain, Cancel, Check, Finish, Heard, Question, ReadAll
from poller.work import (
    CancelRefused,
    Ended,
    Outcome,
    Request,
    Row,
    SmsArrived,
    TextCompleted,
)

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ORDER = "635468024"
ACCOUNT = Account("first", "sms-activate", "http://provider.example", "a-key")
BOWER = replace(ACCOUNT, dialect="smsbower")  # has no list
SMS = Sms("358042")
TROUBLE: list[Answer] = [
    Unexpected("html"),
    NoAnswer("timeout"),
    NoAnswer("not_reached", sent=False),
    AccountRefused("BANNED"),
]


def row(status: str = "pending", **others: Any) -> Row:
    """A number that was bought ten seconds ago."""
    plain = Row(
        id=UUID(int=1),
        status=status,  # type: ignore[arg-type]
        order_id=ORDER,
        service_code="wa",
        country_code="6",
        operator=None,
        price=Decimal("0.50"),
        charged=False,
        created_at=NOW - timedelta(seconds=10),
        updated_at=NOW - timedelta(seconds=10),
        expires_at=NOW + timedelta(seconds=1190),
    )
    return replace(plain, **others)


def expired(**others: Any) -> Row:
    return row(expires_at=NOW - timedelta(seconds=1), **others)


def charged(status: str, **others: Any) -> Row:
    return row(status, charged=True, known=(SMS,), **others)


def follow(of: Row, *answers: Answer, account: Account = ACCOUNT) -> tuple[list[Question], Outcome]:
    """The questions that were asked, and the outcome. All the answers must have been needed."""
    course = course_for(of, account, NOW)
    if isinstance(course, Outcome):
        assert not answers
        return [], course
    asked, left = [next(course)], list(answers)
    while True:
        try:
            asked.append(course.send(Heard(left.pop(0), NOW)))
        except StopIteration as end:
            assert not left, f"never asked for {left}"
            outcome: Outcome = end.value
            return asked, outcome


def ends(of: Row, *answers: Answer) -> tuple[str, str | None]:
    """The ending that follows, and its failure."""
    changes = follow(of, *answers)[1].changes
    assert isinstance(changes[-1], Ended)
    return changes[-1].status, changes[-1].failure


def is_left_alone(of: Row, *answers: Answer) -> Outcome:
    """The outcome, which changes nothing, answers nobody and comes back to the row."""
    outcome = follow(replace(of, requests=(Request(7, "check"),)), *answers)[1]
    assert outcome.changes == ()
    assert outcome.answered == ()
    assert outcome.error
    assert outcome.look_at is not None
    assert outcome.look_at > NOW
    return outcome


def codes(outcome: Outcome) -> list[str | None]:
    return [change.sms.code for change in outcome.changes if isinstance(change, SmsArrived)]


def test_a_number_that_waits_is_asked_for_and_looked_at_again_soon() -> None:
    asked, outcome = follow(row(), Waiting())
    assert asked == [Check(ORDER)]
    assert outcome.changes == ()
    assert outcome.error is None
    assert outcome.look_at is not None
    assert outcome.look_at - NOW < timedelta(seconds=1.5)


def test_its_code_is_delivered() -> None:
    outcome = follow(row(), Arrived(SMS))[1]
    assert codes(outcome) == ["358042"]
    assert follow(row(), Arrived(SMS), account=BOWER)[1].look_at == row().expires_at


def test_where_a_list_tells_more_than_the_status_the_rest_is_read_soon_after() -> None:
    """The status has the newest SMS alone; one that came before it is not to be lost."""
    outcome = follow(row(), Arrived(Sms("222222")))[1]
    assert outcome.look_at == NOW + timedelta(seconds=2)
    received = row("received", charged=True, known=(Sms("222222"),), message_ids=(7,))
    every = AllSms((Sms("111111", "It is 111111"), Sms("222222", "It is 222222")))
    asked, outcome = follow(received, every)
    assert asked == [ReadAll(ORDER)]
    assert codes(outcome) == ["111111"]
    assert TextCompleted(7, "It is 222222") in outcome.changes
    assert outcome.look_at == received.expires_at
    newest = AllSms((Sms("222222"),), whole=False)
    assert follow(received, newest)[1].look_at == NOW + timedelta(seconds=2)
    assert follow(replace(received, attempts=4), newest)[1].look_at == received.expires_at


@pytest.mark.parametrize("answer", TROUBLE)
@pytest.mark.parametrize("of", [row(), expired(), row("cancelling"), row("received")])
def test_what_is_no_answer_leaves_everything_as_it_was(of: Row, answer: Answer) -> None:
    is_left_alone(of, answer)


def test_a_number_that_its_provider_does_not_know_is_left_alone_until_its_expiry() -> None:
    is_left_alone(row(), NotKnown())
    is_left_alone(row("received"), NotKnown())
    is_left_alone(expired(), NotKnown(), Unexpected("html"))


def test_failures_are_tried_again_ever_later() -> None:
    first = is_left_alone(row(attempts=9), Unexpected("html"))
    second = is_left_alone(row(attempts=9, last_error="check: html"), Unexpected("html"))
    assert first.look_at is not None
    assert second.look_at is not None
    assert first.look_at - NOW < timedelta(seconds=1.5)
    assert second.look_at - NOW > timedelta(seconds=20)


def test_a_provider_that_says_when_is_not_asked_before() -> None:
    outcome = is_left_alone(row(), AccountRefused("RATE_LIMIT", 120))
    assert outcome.look_at == NOW + timedelta(seconds=120)


def test_a_number_that_the_provider_took_back_is_over() -> None:
    assert ends(row(), Cancelled()) == ("cancelled", "cancelled_by_provider")
    last_seconds = row(expires_at=NOW + timedelta(seconds=30))
    assert ends(last_seconds, Cancelled()) == ("timeout", None)
    assert ends(charged("pending"), Cancelled()) == ("completed", None)


def test_at_expiry_the_provider_is_asked_and_has_to_agree() -> None:
    asked, outcome = follow(expired(), Waiting(), Cancelled())
    assert asked == [Check(ORDER), Cancel(ORDER)]
    assert outcome.changes == (Ended("timeout"),)
    assert outcome.look_at is None


def test_at_expiry_a_code_that_just_came_is_delivered() -> None:
    assert codes(follow(expired(), Arrived(SMS))[1]) == ["358042"]


def test_at_expiry_a_code_between_the_two_questions_is_delivered() -> None:
    asked, outcome = follow(expired(), Waiting(), Refused("OTP_RECEIVED"), Arrived(SMS))
    assert asked == [Check(ORDER), Cancel(ORDER), Check(ORDER)]
    assert codes(outcome) == ["358042"]


@pytest.mark.parametrize("answer", [*TROUBLE, NotKnown()])
def test_at_expiry_nothing_comes_back_before_the_provider_agreed(answer: Answer) -> None:
    is_left_alone(expired(), Waiting(), answer)


def test_at_expiry_a_refusal_without_a_code_is_not_the_end() -> None:
    is_left_alone(expired(), Waiting(), Refused("BAD_STATUS"), Waiting())
    assert ends(expired(), Waiting(), Refused("BAD_STATUS"), Cancelled()) == ("timeout", None)


def test_at_expiry_a_number_that_the_provider_says_twice_not_to_know_is_over() -> None:
    assert ends(expired(), NotKnown(), NotKnown()) == ("timeout", "unknown_to_provider")
    assert ends(expired(), NotKnown(), Cancelled()) == ("timeout", None)


def test_at_expiry_a_paid_number_that_waits_for_another_is_finished() -> None:
    paid = charged("pending", expires_at=NOW)
    asked, outcome = follow(paid, Waiting(again=True), Finished())
    assert asked == [Check(ORDER), Finish(ORDER)]
    assert outcome.changes == (Ended("completed"),)


def test_a_cancel_is_told_and_agreed() -> None:
    asked, outcome = follow(row("cancelling", requests=(Request(7, "cancel"),)), Cancelled())
    assert asked == [Cancel(ORDER)]
    assert outcome.changes == (Ended("cancelled"),)
    assert outcome.answered == ((7, "cancelled"),)


def test_a_refused_cancel_keeps_the_number_and_says_from_when() -> None:
    of = row("cancelling", requests=(Request(7, "cancel"), Request(8, "check")))
    outcome = follow(of, Refused("EARLY_CANCEL_DENIED"), Waiting())[1]
    allowed = of.created_at + timedelta(seconds=120)
    assert outcome.changes == (CancelRefused("cancel_too_early", allowed),)
    assert outcome.answered == ((7, "refused"), (8, "pending"))


def test_a_refused_cancel_may_say_how_old_the_number_must_be() -> None:
    outcome = follow(row("cancelling"), Refused("EARLY_CANCEL_DENIED", 300), Waiting())[1]
    allowed = row().created_at + timedelta(seconds=300)
    assert outcome.changes == (CancelRefused("cancel_too_early", allowed),)


def test_a_cancel_too_early_by_the_provider_s_clock_alone_may_be_tried_again_soon() -> None:
    old = row("cancelling", created_at=NOW - timedelta(seconds=300))
    outcome = follow(old, Refused("EARLY_CANCEL_DENIED"), Waiting())[1]
    assert outcome.changes == (CancelRefused("cancel_too_early", NOW + timedelta(seconds=15)),)


def test_a_cancel_refused_for_a_code_delivers_the_code() -> None:
    of = row("cancelling", requests=(Request(7, "cancel"),))
    outcome = follow(of, Refused("BAD_STATUS"), Arrived(SMS))[1]
    assert codes(outcome) == ["358042"]
    assert outcome.answered == ((7, "refused"),)


def test_a_cancel_whose_answer_was_lost_is_found_to_have_worked() -> None:
    assert ends(row("cancelling"), Refused("BAD_STATUS"), Cancelled()) == ("cancelled", None)
    assert ends(row("cancelling"), NotKnown(), Cancelled()) == ("cancelled", None)


def test_a_cancel_of_a_number_that_nobody_knows_waits_for_its_expiry() -> None:
    is_left_alone(row("cancelling"), NotKnown(), NotKnown())
    old = row("cancelling", expires_at=NOW)
    assert ends(old, NotKnown(), NotKnown()) == ("cancelled", "unknown_to_provider")


@pytest.mark.parametrize("answer", TROUBLE)
def test_a_refused_cancel_is_not_believed_before_the_number_was_seen(answer: Answer) -> None:
    is_left_alone(row("cancelling"), Refused("BAD_STATUS"), answer)


def test_a_row_sent_back_to_pending_asks_for_another_sms() -> None:
    asked, outcome = follow(charged("pending"), Arrived(SMS), AskedAgain(), Waiting(again=True))
    assert asked == [Check(ORDER), AskAgain(ORDER), Check(ORDER)]
    assert outcome.changes == ()
    assert outcome.error is None


def test_while_it_waits_for_another_the_old_code_is_not_delivered_again() -> None:
    asked, outcome = follow(charged("pending"), Waiting(again=True))
    assert asked == [Check(ORDER)]
    assert outcome.changes == ()


def test_another_sms_is_delivered() -> None:
    assert codes(follow(charged("pending"), Arrived(Sms("777777")))[1]) == ["777777"]


def test_a_finish_is_told_and_agreed() -> None:
    of = charged("received", requests=(Request(7, "finish"),))
    asked, outcome = follow(of, Arrived(SMS), Finished())
    assert asked == [Check(ORDER), Finish(ORDER)]
    assert outcome.changes == (Ended("completed"),)
    assert outcome.answered == ((7, "completed"),)


def test_an_sms_that_nobody_saw_is_delivered_before_the_number_is_closed() -> None:
    of = charged("received", requests=(Request(7, "finish"),))
    outcome = follow(of, Arrived(Sms("777777")), Finished())[1]
    assert codes(outcome) == ["777777"]
    assert outcome.changes[-1] == Ended("completed")


def test_a_refused_finish_changes_nothing_before_the_expiry() -> None:
    of = charged("received", requests=(Request(7, "finish"),))
    outcome = follow(of, Arrived(SMS), Refused("BAD_STATUS"))[1]
    assert outcome.changes == ()
    assert outcome.answered == ((7, "refused"),)
    late = charged("received", expires_at=NOW)
    assert ends(late, Arrived(SMS), Refused("BAD_STATUS")) == ("completed", None)


def test_a_paid_number_past_its_time_is_closed() -> None:
    late = charged("received", expires_at=NOW)
    assert ends(late, Arrived(SMS), Finished()) == ("completed", None)
    assert ends(late, Cancelled()) == ("completed", None)
    assert ends(late, NotKnown()) == ("completed", None)


@pytest.mark.parametrize("answer", TROUBLE)
def test_a_number_is_not_closed_before_the_last_look_at_it(answer: Answer) -> None:
    is_left_alone(charged("received", expires_at=NOW), answer)
    is_left_alone(charged("received", expires_at=NOW), Arrived(SMS), answer)


def test_asked_about_a_received_number_the_provider_is_asked() -> None:
    of = charged("received", requests=(Request(7, "check"),))
    asked, outcome = follow(of, Arrived(SMS), account=BOWER)
    assert asked == [Check(ORDER)]
    assert outcome.changes == ()
    assert outcome.answered == ((7, "received"),)
    assert outcome.look_at == of.expires_at
    assert codes(follow(of, Arrived(Sms("777777")))[1]) == ["777777"]


def test_a_row_that_nobody_bought_ends_without_a_question() -> None:
    assert ends(row("cancelling", order_id=None)) == ("cancelled", None)
    assert ends(expired(order_id=None)) == ("timeout", None)
    assert ends(charged("received", order_id=None, expires_at=NOW)) == ("completed", None)
    assert follow(row(order_id=None))[1].changes == ()


def test_a_question_about_a_number_that_is_over_is_answered() -> None:
    of = row("timeout", requests=(Request(7, "check"), Request(8, "cancel")))
    outcome = follow(of)[1]
    assert outcome.answered == ((7, "timeout"), (8, "timeout"))
    assert outcome.look_at is None


def test_a_number_without_an_expiry_has_twenty_minutes() -> None:
    assert row(expires_at=None).ends_at == row().created_at + timedelta(minutes=20)
