"""A rate: what is taken at once, what in the long run, and what a clock that jumps does to it."""

import pytest

from process.rates import Rate

RATE = Rate(per_s=2, burst=3)


def taken(times: int, now_s: float, full_at_s: float = 0, rate: Rate = RATE) -> float:
    """When the bucket is full again after so many were taken at once."""
    for _ in range(times):
        full_at_s = rate.spent(full_at_s, now_s)
    return full_at_s


def test_a_burst_is_within_the_rate_and_the_next_is_not() -> None:
    assert RATE.lacking_s(taken(3, 100), 100) == 0
    assert RATE.lacking_s(taken(4, 100), 100) == pytest.approx(0.5)


def test_what_is_overdrawn_comes_back_with_time() -> None:
    full_at_s = taken(4, 100)
    assert RATE.lacking_s(full_at_s, 100.4) == pytest.approx(0.1)
    assert RATE.lacking_s(full_at_s, 100.5) == 0


def test_a_bucket_is_never_more_than_full() -> None:
    assert RATE.lacking_s(taken(4, 1e6, taken(1, 0)), 1e6) == pytest.approx(0.5)


def test_an_amount_may_be_more_than_the_whole_bucket() -> None:
    assert RATE.lacking_s(RATE.spent(0, 100, 10), 100) == pytest.approx(3.5)


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    full_at_s = taken(1, 7200)
    assert RATE.lacking_s(RATE.spent(full_at_s, 100), 100) <= 0.5
