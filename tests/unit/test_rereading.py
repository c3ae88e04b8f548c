"""A recovery: what is asked, what is written, and how it is answered, in every status."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from poller.accounts import Account
from poller.courses import course_for
from poller.planning import is_listed
from poller.providers.answers import (
    AccountRefused,
    AllSms,
    Cancelled,
    NoAnswer,
    NotKnown,
    Sms,
    Unexpected,
)
from poller.steps import Answer, Heard, ReadAll
from poller.work import Ended, Outcome, Request, Row, SmsArrived, TextCompleted
from tests.unit.test_courses import ACCOUNT, NOW, ORDER, row

FIRST, SECOND = Sms("111111", "Your code is 111111"), Sms("222222", "Your code is 222222")
RECOVER = Request(7, "recover")
STATUSES = ("pending", "received", "cancelling", "completed", "cancelled", "timeout", "failed")


def recovered(of: Row, answer: Answer, account: Account = ACCOUNT) -> Outcome:
    course = course_for(replace(of, requests=(RECOVER, Request(8, "check"))), account, NOW)
    assert not isinstance(course, Outcome)
    assert next(course) == ReadAll(ORDER)
    with pytest.raises(StopIteration) as end:
        course.send(Heard(answer, NOW))
    outcome: Outcome = end.value.value
    return outcome


@pytest.mark.parametrize("status", STATUSES)
def test_it_is_asked_for_in_every_status_and_answers_itself_alone(status: str) -> None:
    outcome = recovered(row(status), AllSms())
    assert outcome.answered == ((7, "found"),)
    assert outcome.changes == ()
    assert outcome.look_at is None


@pytest.mark.parametrize("status", STATUSES)
def test_what_was_not_known_is_written(status: str) -> None:
    of = row(status, known=(Sms("111111"),), message_ids=(40,), charged=True)
    outcome = recovered(of, AllSms((FIRST, SECOND)))
    completed, arrived = outcome.changes
    assert completed == TextCompleted(40, "Your code is 111111")
    assert isinstance(arrived, SmsArrived)
    assert (arrived.sms, arrived.source) == (SECOND, "recover")
    assert outcome.news == outcome.changes


def test_what_is_known_is_not_written_again() -> None:
    of = row("received", known=(FIRST,), message_ids=(40,), charged=True)
    assert recovered(of, AllSms((FIRST,))).changes == ()
    late = row("timeout", late=(FIRST,))
    assert recovered(late, AllSms((FIRST,))).changes == ()


def test_the_same_code_twice_completes_each_text_once() -> None:
    of = row("received", known=(Sms("1"), Sms("1")), message_ids=(40, 41), charged=True)
    found = AllSms((Sms("1", "first"), Sms("1", "second")))
    assert recovered(of, found).changes == (TextCompleted(40, "first"), TextCompleted(41, "second"))


def test_it_says_what_the_number_is() -> None:
    assert recovered(row(), AllSms()).number == "alive"
    assert recovered(row(), AllSms(alive=False)).number == "over"
    assert recovered(row("timeout"), AllSms()).number == "over"
    assert recovered(row(), NotKnown()).number == "unknown"
    assert recovered(row("timeout"), Cancelled()).number == "over"


def test_a_number_that_the_provider_took_back_is_over() -> None:
    outcome = recovered(row(), Cancelled())
    assert outcome.changes == (Ended("cancelled", "cancelled_by_provider"),)
    assert set(outcome.answered) == {(7, "found"), (8, "cancelled")}
    assert recovered(row("completed"), Cancelled()).changes == ()


@pytest.mark.parametrize(
    "answer", [Unexpected("html"), NoAnswer("timeout"), AccountRefused("BANNED")]
)
@pytest.mark.parametrize("status", STATUSES)
def test_a_provider_that_does_not_answer_is_the_answer(status: str, answer: Answer) -> None:
    outcome = recovered(row(status), answer)
    assert outcome.answered == ((7, "unanswered"),)
    assert (outcome.changes, outcome.number, outcome.error) == ((), None, None)


def test_it_does_not_wait_for_the_list() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    waiting = row(expires_at=now + timedelta(hours=1))
    assert is_listed(waiting, now)
    assert not is_listed(replace(waiting, requests=(RECOVER,)), now)
