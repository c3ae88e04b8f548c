"""The breaker and the rate of an account, in time that is handed in."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.backoff import Backoff
from poller.breaker import MOST_FAILURES, Breaker, State
from poller.providers.answers import (
    AccountRefused,
    NoAnswer,
    NoNumbers,
    Refused,
    Unexpected,
    Waiting,
)
from poller.rate import Rate

FAILURES = [
    NoAnswer("timeout"),
    Unexpected("http_502"),
    Unexpected("html"),
    Unexpected("ERROR_SQL"),
]


def breaker() -> Breaker:
    return Breaker(Backoff(1, 30, random.Random(1)))


def fail(one: Breaker, now_s: float, times: int = MOST_FAILURES) -> None:
    for _ in range(times):
        one.heard(NoAnswer("timeout"), now_s)


def test_an_account_in_order_is_asked_at_once() -> None:
    one = breaker()
    one.heard(Waiting(), 100)
    assert one.wait_s(100) == 0
    assert one.state == State("up", None, 0)


def test_a_refused_account_is_left_alone_ever_longer_until_it_answers() -> None:
    one, now_s, waits = breaker(), 100.0, []
    for _ in range(8):
        one.probed(AccountRefused("BANNED"), now_s)
        waits.append(one.wait_s(now_s))
        now_s += waits[-1]
    assert 0.5 <= waits[0] <= 1
    assert 15 <= waits[-1] <= 30
    assert (one.state.name, one.state.reason) == ("refused", "BANNED")


def test_calls_that_fail_together_count_as_one_pause() -> None:
    one = breaker()
    for _ in range(8):
        one.heard(AccountRefused("BANNED"), 100)
    assert one.wait_s(100) <= 1


def test_a_retry_after_is_kept_up_to_ten_minutes_whatever_else_is_heard() -> None:
    one = breaker()
    one.heard(AccountRefused("RATE_LIMIT", 7), 100)
    one.heard(Waiting(), 101)  # was under way already
    assert one.wait_s(100) == 7
    one.heard(AccountRefused("RATE_LIMIT", 86_400), 100)
    assert one.wait_s(100) == 600


def test_a_failure_that_says_when_to_come_back_is_obeyed_at_once() -> None:
    one = breaker()
    one.heard(Unexpected("http_503", 40), 100)
    assert (one.state, one.wait_s(100)) == (State("open", "http_503", 1), 40)
    one.probed(Unexpected("http_503", 86_400), 140)
    assert one.wait_s(140) == 600
    one.probed(Waiting(), 740)
    assert one.state == State()


def test_a_pause_that_somebody_else_was_told_of_is_kept() -> None:
    one, left = breaker(), State("refused", "RATE_LIMIT", 2)
    one.resume(left, 300, 100)
    assert (one.state, one.wait_s(100)) == (left, 300)
    one.heard(Waiting(), 101)  # a straggler
    assert one.is_open
    one.probed(Waiting(), 400)
    assert one.state == State()


def test_a_pause_that_is_over_or_that_we_know_better_is_not_taken_over() -> None:
    one = breaker()
    one.resume(State("refused", "BANNED"), 0, 100)
    one.resume(State(), 300, 100)
    assert not one.is_open
    one.heard(AccountRefused("RATE_LIMIT", 7), 100)
    one.resume(State("open", "http_502"), 300, 100)
    assert (one.state.name, one.wait_s(100)) == ("refused", 7)


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_open_it_only_in_a_row(failure: object) -> None:
    one = breaker()
    for answer in [*[failure] * (MOST_FAILURES - 1), Waiting(), *[failure] * (MOST_FAILURES - 1)]:
        one.heard(answer, 100)
    assert not one.is_open
    one.heard(failure, 100)
    assert (one.state.name, one.state.failures) == ("open", MOST_FAILURES)
    assert one.wait_s(100) > 0


@pytest.mark.parametrize("plain_no", [NoNumbers(), Refused("BAD_SERVICE")])
def test_a_plain_no_is_an_answer(plain_no: object) -> None:
    one = breaker()
    fail(one, 100, MOST_FAILURES - 1)
    one.heard(plain_no, 100)
    fail(one, 100, MOST_FAILURES - 1)
    assert not one.is_open


def test_only_the_probe_closes_it() -> None:
    one = breaker()
    fail(one, 100)
    one.heard(Waiting(), 110)  # a straggler
    assert one.is_open
    one.probed(Waiting(), 110)
    assert one.state == State()
    assert one.wait_s(110) == 0


def test_a_probe_that_fails_opens_it_for_longer() -> None:
    one, waits, now_s = breaker(), [], 100.0
    fail(one, now_s)
    for _ in range(8):
        waits.append(one.wait_s(now_s))
        now_s += waits[-1]
        one.probed(NoAnswer("timeout"), now_s)
        assert one.is_open
    assert max(waits) <= 30
    assert waits[-1] >= 15


def test_what_fails_right_after_a_good_probe_waits_longer_and_success_begins_anew() -> None:
    one = breaker()
    fail(one, 100)
    one.probed(Waiting(), 200)
    fail(one, 200)
    assert one.wait_s(200) >= 1, "the second pause is a longer one"
    one.probed(Waiting(), 300)
    one.heard(Waiting(), 300)
    fail(one, 400)
    assert one.wait_s(400) <= 1


@given(st.floats(0.5, 100), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_second_has_more_turns_than_the_rate_and_its_burst(
    per_s: float, pauses: list[float]
) -> None:
    rate, now_s, turns = Rate(per_s), 1000.0, []
    for pause_s in pauses:
        now_s += pause_s
        turns.append(now_s + rate.turn_s(now_s))
    assert turns == sorted(turns)
    for first, at_s in enumerate(turns):
        within = sum(at_s <= other < at_s + 1 for other in turns[first:])
        assert within <= 2 * per_s + 2


def test_after_a_pause_a_second_s_worth_comes_at_once_and_then_steadily() -> None:
    rate = Rate(10)
    waits = [rate.turn_s(50) for _ in range(20)]
    assert max(waits[:10]) < 1e-9
    assert waits[10] == pytest.approx(0.1)
    assert waits[19] == pytest.approx(1.0)


def test_a_provider_that_is_down_for_an_hour_is_tried_a_few_hundred_times() -> None:
    """Fault 51, in simulated time: every probe fails until the hour is over, then one succeeds."""
    one, now_s, probes = breaker(), 0.0, 0
    fail(one, now_s)
    while now_s < 3600:
        now_s += one.wait_s(now_s)
        one.probed(NoAnswer("timeout"), now_s)
        probes += 1
    assert 3600 / 30 <= probes <= 3600 / 15 + 10
    assert one.wait_s(now_s) <= 30, "so long at most until it is found again"
    one.probed(Waiting(), now_s + one.wait_s(now_s))
    assert not one.is_open
