"""Sorting what is due, and keeping count of what is in hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller import planning, schedule
from poller.inhand import InHand
from poller.providers.answers import Sms
from poller.saving import Saved
from poller.watchlist import Watchlist
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
        (waiting,), tuple(others), lists=True
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


def waiting(number: int, age_s: float = 0) -> Row:
    return replace(
        ROW, id=UUID(int=number), order_id=str(number), updated_at=NOW - timedelta(seconds=age_s)
    )


def test_many_numbers_that_lists_look_after_cost_no_more_lists_than_the_youngest_of_them() -> None:
    watched, rows = Watchlist(), [waiting(number, age_s=30) for number in range(1, 101)]
    watched.list_begins(100)
    for row in rows:
        watched.watch(row, 100)
    watched.list_ends()
    assert watched.plan(rows, NOW, 100.9) == planning.Plan((), (), tuple(rows))
    assert watched.plan(rows, NOW, 101) == planning.Plan(tuple(rows), (), lists=True)
    assert watched.plan([], NOW, 101) == planning.Plan((), (), lists=True), "though none is due"


def test_a_new_number_is_worth_a_list_of_its_own_and_half_a_second_s_pause() -> None:
    watched = Watchlist()
    watched.list_begins(100)
    watched.watch(waiting(1, age_s=1000), 100)
    watched.list_ends()
    plan = watched.plan([waiting(2)], NOW, 100.4)
    assert plan.held == (waiting(2),)
    assert watched.wait_s(plan, None, NOW, 100.4) == pytest.approx(0.1)
    assert watched.plan([waiting(2)], NOW, 100.5).lists


def test_no_list_begins_while_one_is_under_way_unless_somebody_asks() -> None:
    watched = Watchlist()
    watched.list_begins(100)
    assert not watched.plan([waiting(1)], NOW, 105).lists
    assert watched.wait_s(watched.plan([waiting(1)], NOW, 105), None, NOW, 105) > 0
    asked = replace(waiting(1), requests=(Request(7, "check"),))
    assert watched.plan([asked], NOW, 105).lists


def test_what_is_no_longer_listed_is_asked_for_in_portions_and_what_is_gone_forgotten() -> None:
    watched = Watchlist()
    for number in range(1, 6):
        watched.watch(waiting(number), 100)
    assert watched.take_missing({"1"}, 3) == ["2", "3", "4"]
    assert watched.take_missing({"1"}, 3) == ["5"]
    assert watched.take_missing({"1"}, 3) == []
    assert watched.plan([], NOW, 160).lists
    assert not watched.plan([], NOW, 161).lists, "nobody has read that row again for a minute"


def test_without_a_list_the_youngest_are_asked_for_first() -> None:
    watched = Watchlist()
    for number in (1, 2, 3):
        watched.watch(waiting(number, age_s=number), 100)
    assert watched.take_youngest(2) == ["1", "2"]
    watched.forget(waiting(3))
    assert watched.take_youngest(2) == []


@given(st.floats(0, 5000), st.integers(1, 10_000))
def test_lists_cost_a_tenth_of_asking_for_each_every_3_s_where_there_are_many(
    age_s: float, count: int
) -> None:
    interval_s = schedule.list_interval_s(age_s, count)
    assert interval_s <= schedule.interval_s(age_s)
    if count >= 30:
        assert 1 / interval_s <= 0.1 * count / 3
        assert interval_s <= 2, "on average it is no later than that"
