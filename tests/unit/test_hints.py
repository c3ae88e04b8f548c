"""Webhooks against what the provider says: believed, tried again, given up."""

from dataclasses import replace
from datetime import timedelta

import pytest

from poller.courses import course_for
from poller.hints import MAX_TRIES, MAX_WAIT_S, judged
from poller.planning import is_listed
from poller.providers.answers import AllSms, Cancelled, NoAnswer, NotKnown, Sms
from poller.steps import Answer, Heard, ReadAll
from poller.work import Hint, HintClosed, HintLater, Outcome, Row, SmsArrived
from tests.unit.test_courses import ACCOUNT, NOW, ORDER, row

SMS = Sms("358042", "Your code is 358042")
HINT = Hint(3, "358042", "Your code is 358042")
FORGED = Hint(4, "000000", "Your code is 000000")


def heard(of: Row, answer: Answer) -> Outcome:
    course = course_for(of, ACCOUNT, NOW)
    assert not isinstance(course, Outcome)
    assert next(course) == ReadAll(ORDER)
    with pytest.raises(StopIteration) as end:
        course.send(Heard(answer, NOW))
    outcome: Outcome = end.value.value
    return outcome


@pytest.mark.parametrize("status", ["pending", "received", "cancelling", "timeout", "completed"])
def test_what_the_provider_confirms_is_written(status: str) -> None:
    outcome = heard(row(status, hints=(HINT,)), AllSms((SMS,)))
    [arrived] = outcome.changes
    assert isinstance(arrived, SmsArrived)
    assert (arrived.sms, arrived.source) == (SMS, "webhook")
    assert outcome.hints == (HintClosed(3, "confirmed"),)


@pytest.mark.parametrize(
    "answer", [AllSms(), AllSms((SMS,)), NotKnown(), Cancelled(), NoAnswer("timeout")]
)
def test_fault_14_what_the_provider_does_not_confirm_is_not_written(answer: Answer) -> None:
    outcome = heard(row("pending", hints=(FORGED,)), answer)
    assert "000000" not in [c.sms.code for c in outcome.changes if isinstance(c, SmsArrived)]
    assert outcome.hints == (HintLater(4, NOW + timedelta(seconds=1)),)


def test_it_is_tried_ever_later_and_then_given_up() -> None:
    later = []
    for tries in range(MAX_TRIES - 1):
        [told] = judged(row(hints=(replace(FORGED, tries=tries),)), NOW, ())
        assert isinstance(told, HintLater)
        later.append((told.at - NOW).total_seconds())
    assert later == sorted(later)
    assert sum(later) < 3 * MAX_WAIT_S
    last = row(hints=(replace(FORGED, tries=MAX_TRIES - 1),))
    assert judged(last, NOW, ()) == (HintClosed(4, "unconfirmed"),)
    assert judged(last, NOW, None) == (HintClosed(4, "unanswered"),)


def test_an_sms_that_is_known_needs_no_second_word() -> None:
    assert judged(row(known=(SMS,), hints=(HINT,)), NOW, None) == (HintClosed(3, "confirmed"),)
    assert judged(row(late=(SMS,), hints=(HINT,)), NOW, ()) == (HintClosed(3, "confirmed"),)


@pytest.mark.parametrize(
    "hint", [Hint(3, None, SMS.text), Hint(3, SMS.code, None), Hint(3, None, None)]
)
def test_a_webhook_may_tell_less(hint: Hint) -> None:
    assert judged(row(hints=(hint,)), NOW, (SMS,)) == (HintClosed(3, "confirmed"),)
    assert isinstance(judged(row(hints=(hint,)), NOW, ())[0], HintLater)


def test_several_webhooks_of_a_number_are_one_question() -> None:
    outcome = heard(row(hints=(HINT, FORGED)), AllSms((SMS,)))
    assert [type(hint) for hint in outcome.hints] == [HintClosed, HintLater]


def test_it_does_not_wait_for_the_list() -> None:
    assert is_listed(row(), NOW)
    assert not is_listed(row(hints=(HINT,)), NOW)


def test_a_hint_does_not_show_what_it_holds() -> None:
    assert "358042" not in repr(HINT)
