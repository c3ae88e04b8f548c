"""Sorting what is due, and keeping count of what is in hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from poller import planning
from poller.inhand import InHand
from poller.providers.answers import Sms
from poller.saving import Saved
from poller.work import Ended, Outcome, Request, Row, SmsArrived

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ROW = Row(
    id=UUID(int=1),
    status="pending",
    order_id="9",
    service_code="wa",
    country_code="6",
    operator=None,
    price=Decimal("0.50"),
    charged=False,
    created_at=NOW,
    updated_at=NOW,
    expires_at=NOW + timedelta(minutes=20),
)


def test_numbers_that_wait_are_listed_together_and_others_dealt_with_alone() -> None:
    waiting = ROW
    others = [
        replace(ROW, status="requested", order_id=None),
        replace(ROW, status="cancelling"),
        replace(ROW, status="received"),
        replace(ROW, expires_at=NOW),
        replace(ROW, order_id=None),
        replace(ROW, charged=True, requests=(Request(7, "finish"),)),
    ]
    assert planning.plan([waiting, *others], NOW, may_list=True) == planning.Plan(
        (waiting,), tuple(others)
    )


def test_after_a_list_numbers_wait_for_the_next_unless_somebody_asks() -> None:
    assert planning.plan([ROW], NOW, may_list=False) == planning.Plan((), (), (ROW,))
    asked = replace(ROW, requests=(Request(7, "check"),))
    assert planning.plan([ROW, asked], NOW, may_list=False).together == (ROW, asked)


def test_a_row_is_in_hand_until_its_result_is_written() -> None:
    in_hand = InHand()
    assert in_hand.take([ROW]) == [ROW]
    assert in_hand.take([ROW]) == []
    assert in_hand.awaits(ROW)
    outcome = Outcome(ROW)
    in_hand.put(outcome)
    assert not in_hand.awaits(ROW)
    assert in_hand.batch(10, 100) == [outcome]
    in_hand.written(Saved(saved={ROW.id}), 100)
    assert in_hand.empty.is_set()
    assert in_hand.take([ROW]) == [ROW]


def test_a_held_result_is_offered_again_a_little_later() -> None:
    in_hand = InHand()
    in_hand.take([ROW])
    in_hand.put(Outcome(ROW))
    in_hand.written(Saved(held={ROW.id}), 100)
    assert in_hand.batch(10, 100.1) == []
    assert not in_hand.empty.is_set()
    assert in_hand.batch(10, 100.5) == [Outcome(ROW)]


def test_a_batch_has_its_size() -> None:
    in_hand = InHand()
    rows = [replace(ROW, id=UUID(int=n)) for n in range(5)]
    for row in in_hand.take(rows):
        in_hand.put(Outcome(row))
    assert len(in_hand.batch(3, 100)) == 3


def test_a_row_without_news_is_let_go() -> None:
    in_hand = InHand()
    in_hand.take([ROW])
    assert not in_hand.empty.is_set()
    in_hand.release(ROW)
    assert in_hand.empty.is_set()


def test_once_another_holds_the_account_only_what_came_to_pass_is_kept() -> None:
    in_hand = InHand()
    other = replace(ROW, id=UUID(int=2))
    in_hand.take([ROW, other])
    sms = SmsArrived(Sms("1"), NOW, "9:1:x")
    in_hand.put(Outcome(ROW, (sms, Ended("completed")), NOW, answered=((1, "completed"),)))
    in_hand.put(Outcome(other, (Ended("timeout"),)))
    in_hand.keep_only_news()
    assert in_hand.batch(10, 100) == [Outcome(ROW, (sms,))]
    assert list(in_hand.rows) == [ROW.id]
