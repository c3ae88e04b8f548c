"""Token buckets: who is refused, when the next request is welcome, and what is remembered."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process.addresses import neighbourhood
from service.allowances import Allowances, Buckets
from service.problems import Problem


def test_a_burst_is_taken_at_once_and_then_the_rate_counts() -> None:
    buckets = Buckets(rate_per_s=2, burst=3)
    assert [buckets.take("a", 100.0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 100.0) == pytest.approx(0.5)
    assert buckets.take("a", 100.4) == pytest.approx(0.1)
    assert buckets.take("a", 100.5) == 0
    assert buckets.take("a", 100.5) == pytest.approx(0.5)


def test_a_bucket_is_never_more_than_full() -> None:
    buckets = Buckets(rate_per_s=2, burst=3)
    buckets.take("a", 0.0)
    assert [buckets.take("a", 1e6) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 1e6) > 0


def test_each_key_has_its_own() -> None:
    buckets = Buckets(rate_per_s=1, burst=1)
    assert buckets.take("a", 0.0) == 0
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.0) > 0


def test_only_the_newest_keys_are_remembered() -> None:
    buckets = Buckets(rate_per_s=1, burst=1, max_keys=2)
    for key in ("a", "b", "c"):
        assert buckets.take(key, 0.0) == 0
    assert len(buckets) == 2
    assert buckets.take("c", 0.0) > 0
    assert buckets.take("a", 0.0) == 0  # forgotten, as if it were full


@given(
    st.lists(st.floats(0, 2), max_size=60),
    st.integers(1, 50),
    st.integers(1, 20),
)
def test_no_more_than_burst_and_rate_pass(pauses: list[float], rate: int, burst: int) -> None:
    buckets, now_s, passed = Buckets(rate, burst), 0.0, 0
    for pause_s in pauses:
        now_s += pause_s
        wait_s = buckets.take("a", now_s)
        if wait_s == 0:
            passed += 1
        else:  # and who waits as long as told is served
            assert wait_s <= 1 / rate + 1e-6
    assert passed <= burst + rate * now_s + 1e-6


def test_a_refusal_says_when_to_come_back_and_is_counted() -> None:
    refused: list[str] = []
    allowances = Allowances(1, 1, refused.append)
    for _ in range(5):
        allowances.spend_user(UUID(int=1), 0.0)
        allowances.spend_address("192.0.2.1", 0.0)
    with pytest.raises(Problem) as of_user:
        allowances.spend_user(UUID(int=1), 0.0)
    with pytest.raises(Problem):
        allowances.spend_address("192.0.2.1", 0.5)
    assert (of_user.value.code, of_user.value.headers) == (
        "too_many_requests",
        {"Retry-After": "1"},
    )
    assert refused == ["user", "address"]


@pytest.mark.parametrize(
    ("host", "counted_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("testclient", "testclient"),
    ],
)
def test_of_ipv6_the_network_counts(host: str, counted_as: str) -> None:
    assert neighbourhood(host) == counted_as
