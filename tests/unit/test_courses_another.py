"""One more SMS on a number: how the row goes on, for everything that its provider can answer."""

import pytest

from poller.providers.answers import Arrived, AskedAgain, NotKnown, Refused, Sms
from poller.steps import Answer, AskAgain, Check
from poller.work import AnotherRefused, Request
from tests.unit.test_courses import (
    ORDER,
    SMS,
    TROUBLE,
    charged,
    codes,
    follow,
    is_left_alone,
    row,
)

ANOTHER = (Request(7, "another"), Request(8, "check"))


def test_another_sms_is_answered_when_the_provider_has_agreed() -> None:
    asked, outcome = follow(charged("pending", requests=ANOTHER), Arrived(SMS), AskedAgain())
    assert asked == [Check(ORDER), AskAgain(ORDER)]
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
