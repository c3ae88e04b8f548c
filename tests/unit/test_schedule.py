"""When numbers are looked at: young ones often, none less than every 30 s, and no chance in it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from poller import schedule

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SEEDS = st.integers(min_value=0, max_value=2**64)
AGES = st.floats(min_value=-60, max_value=100_000)


def wait_s(age_s: float, seed: int = 1, expires_in_s: float | None = None) -> float:
    expires_at = None if expires_in_s is None else NOW + timedelta(seconds=expires_in_s)
    at = schedule.next_check_at(
        NOW, waiting_since=NOW - timedelta(seconds=age_s), expires_at=expires_at, seed=seed
    )
    return (at - NOW).total_seconds()


@given(AGES, SEEDS)
def test_none_is_left_alone_for_more_than_30_s_or_asked_without_pause(
    age_s: float, seed: int
) -> None:
    assert 0.5 <= wait_s(age_s, seed) <= 30


@given(AGES, AGES, SEEDS)
def test_an_older_number_is_never_asked_more_often(a: float, b: float, seed: int) -> None:
    assert wait_s(min(a, b), seed) <= wait_s(max(a, b), seed)


def test_a_number_that_is_seconds_old_is_asked_every_second() -> None:
    assert wait_s(3) <= 1.1


def test_its_expiry_is_not_slept_over() -> None:
    assert wait_s(1190, expires_in_s=10) == 10


def test_past_its_expiry_it_is_asked_as_any_old_one() -> None:
    assert wait_s(1300, expires_in_s=-100) >= 18


@given(AGES, SEEDS)
def test_the_same_question_has_the_same_answer(age_s: float, seed: int) -> None:
    assert wait_s(age_s, seed) == wait_s(age_s, seed)


def test_numbers_bought_together_drift_apart() -> None:
    assert len({wait_s(1000, seed) for seed in range(20)}) == 20


def test_failures_are_retried_ever_later_up_to_30_s() -> None:
    waits = [schedule.retry_s(attempts, seed=1) for attempts in range(12)]
    assert waits == sorted(waits)
    assert waits[0] <= 1.1
    assert 25 <= waits[-1] <= 30


def test_what_the_provider_says_about_waiting_counts_if_it_is_longer() -> None:
    assert schedule.retry_s(0, 1, said_s=120) == 120
    assert schedule.retry_s(9, 1, said_s=1) > 1
