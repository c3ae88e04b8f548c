"""One more SMS on a number: how the row goes on, for everything that its provider can answer."""

import pytest

from poller import watching
from poller.providers.answers import (
    ActiveList,
    Arrived,
    AskedAgain,
    NotKnown,
    Refused,
    Sms,
    Unexpected,
    Waiting,
)
from poller.steps import Answer, AskAgain, Check
from poller.work import AnotherRefused, Request, Row
from tests.unit.test_arrivals import entry
from tests.unit.test_courses import (
    NOW,
    ORDER,
    SMS,
    TROUBLE,
    charged,
    codes,
    follow,
    is_left_alone,
    row,
)

FINISH = (Request(7, "finish"),)
ANOTHER = (Request(7, "another"), Request(8, "check"))


def test_another_sms_is_answered_when_the_provider_has_agreed() -> None:
    answers = (Arrived(SMS), AskedAgain(), Waiting(again=True))
    asked, outcome = follow(charged("pending", requests=ANOTHER), *answers)
    assert asked == [Check(ORDER), AskAgain(ORDER), Check(ORDER)]
    assert outcome.answered == ((7, "pending"), (8, "pending"))


def test_a_refusal_of_another_sms_brings_the_row_back() -> None:
    outcome = follow(charged("pending", requests=ANOTHER), Arrived(SMS), Refused("BAD_STATUS"))[1]
    assert outcome.changes == (AnotherRefused("another_refused"),)
    assert outcome.answered == ((7, "refused"), (8, "received"))
    assert outcome.look_at == row().expires_at


@pytest.mark.parametrize("answers", [(NotKnown(),), (Arrived(SMS), NotKnown())])
def test_a_number_that_is_gone_has_no_other_sms(answers: tuple[Answer, ...]) -> None:
    outcome = follow(charged("pending", requests=ANOTHER), *answers)[1]
    assert outcome.changes == (AnotherRefused("unknown_to_provider"),)
    assert follow(charged("pending"), *answers)[1].changes == outcome.changes


def test_once_agreed_a_number_that_is_not_known_for_a_while_is_not_given_up() -> None:
    is_left_alone(charged("pending", attempts=1), NotKnown())


@pytest.mark.parametrize("answer", TROUBLE)
def test_another_sms_is_asked_for_until_there_is_an_answer(answer: Answer) -> None:
    outcome = follow(charged("pending", requests=ANOTHER), Arrived(SMS), answer)[1]
    assert outcome.changes == ()
    assert outcome.answered == ()


def test_a_further_sms_that_is_there_already_is_the_answer() -> None:
    outcome = follow(charged("pending", requests=ANOTHER), Arrived(Sms("777777")))[1]
    assert codes(outcome) == ["777777"]
    assert outcome.answered == ((7, "received"), (8, "received"))


def test_a_request_that_an_operator_took_back_is_refused() -> None:
    assert follow(charged("received", requests=ANOTHER), Arrived(SMS))[1].answered[0] == (
        7,
        "refused",
    )


def test_the_same_code_is_another_sms_once_the_provider_was_seen_to_wait_for_it() -> None:
    waiting = charged("pending", attempts=1)
    asked, outcome = follow(waiting, Arrived(SMS))
    assert asked == [Check(ORDER)]
    assert codes(outcome) == [SMS.code]
    listed = watching.settle(
        [waiting], ActiveList((entry(SMS, SMS, order_id=ORDER),)), NOW
    ).outcomes[0]
    assert listed.changes == outcome.changes, "the list would have told the same SMS"


def test_trouble_in_between_does_not_make_it_forget_that_the_provider_waits() -> None:
    failed = follow(charged("pending", attempts=1), Unexpected("html"))[1]
    again = follow(charged("pending", attempts=2, last_error=failed.error), Arrived(SMS))[1]
    assert codes(again) == [SMS.code]


@pytest.mark.parametrize("last_error", ["check: html", "list: RATE_LIMIT", "cancel: BAD_STATUS"])
def test_where_nobody_saw_it_wait_the_same_code_is_taken_for_the_old_one(last_error: str) -> None:
    unsure = charged("pending", attempts=1, last_error=last_error)
    asked, outcome = follow(unsure, Arrived(SMS), AskedAgain(), Waiting(again=True))
    assert asked == [Check(ORDER), AskAgain(ORDER), Check(ORDER)]
    assert (outcome.changes, outcome.error) == ((), None)


@pytest.mark.parametrize("shown", [Arrived(SMS), Unexpected("html")])
def test_a_provider_that_goes_on_showing_the_old_one_tells_of_no_other(shown: Answer) -> None:
    agreed = (Arrived(SMS), AskedAgain(), shown)
    outcome = follow(charged("pending", requests=ANOTHER), *agreed)[1]
    assert outcome.answered == ((7, "pending"), (8, "pending"))
    row = charged("pending", attempts=1, last_error=outcome.error)
    assert follow(row, *agreed)[1].changes == ()


def test_where_a_provider_tells_every_sms_one_that_it_does_not_tell_has_not_come() -> None:
    every = Arrived(SMS, whole=True)
    asked, outcome = follow(charged("pending", attempts=1), every, AskedAgain())
    assert asked == [Check(ORDER), AskAgain(ORDER)]
    assert outcome.changes == ()
    twice = Arrived(SMS, (SMS,), whole=True)
    assert codes(follow(charged("pending", attempts=1), twice)[1]) == [SMS.code]


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        (charged("cancelling"), (Refused("OTP_RECEIVED"), Arrived(SMS))),
        (charged("cancelling"), (Refused("EARLY_CANCEL_DENIED"), Waiting())),
        (
            charged("pending", requests=(Request(7, "finish"),)),
            (Arrived(SMS), Refused("BAD_STATUS")),
        ),
    ],
)
def test_a_look_that_did_not_see_it_wait_says_so(row: Row, answers: tuple[Answer, ...]) -> None:
    outcome = follow(row, *answers)[1]
    assert outcome.error
    assert not charged("pending", attempts=1, last_error=outcome.error).awaits_another
