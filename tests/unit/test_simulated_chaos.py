"""The dice of the simulator: seeded, apart for each call, and within their rates."""

from datetime import UTC, datetime

import pytest

from poller.script import Fault, ScriptError
from poller.simulated_chaos import Chaos, Rates, parse

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
IDS = [str(id) for id in range(1000)]


def faults(chaos: Chaos, action: str, count: int) -> list[Fault | None]:
    return [chaos.fault(action) for _ in range(count)]


def test_without_rates_nothing_goes_wrong() -> None:
    chaos = Chaos()
    assert faults(chaos, "getStatus", 100) == [None] * 100
    assert chaos.spoiled("getStatus", "STATUS_OK:358042") == "STATUS_OK:358042"
    assert chaos.delay_s("getStatus") == 0
    assert chaos.listed("getActiveActivations", IDS) == IDS
    assert not chaos.refuses_cancel("1", NOW)
    assert chaos.posts("1", 1) == [0.0]


def test_the_same_seed_fails_the_same_calls_whatever_happens_in_between() -> None:
    rates = Rates(seed=7, error=0.2, html=0.1, lost=0.1)
    one, other = Chaos(rates), Chaos(rates)
    expected = faults(one, "getStatus", 200)
    found = []
    for _ in range(200):
        other.fault("setStatus")
        found.append(other.fault("getStatus"))
    assert found == expected
    assert faults(Chaos(Rates(seed=8, error=0.2, html=0.1, lost=0.1)), "getStatus", 200) != expected


def test_each_fault_comes_about_as_often_as_it_was_said() -> None:
    found = faults(Chaos(Rates(error=0.1, down=0.1, limit=0.1, html=0.1, lost=0.1)), "x", 5000)
    kinds = {
        "error": Fault(error="ERROR_SQL"),
        "down": Fault(http_status=503),
        "limit": Fault(http_status=429, retry_after_s=1),
        "html": Fault(html=True),
        "lost": Fault(html=True, applied=True),
    }
    for fault in kinds.values():
        assert 250 < found.count(fault) < 600  # 500 less those that an earlier throw decided


def test_a_body_may_be_cut_in_half() -> None:
    chaos = Chaos(Rates(truncate=1))
    chaos.fault("getStatus")
    assert chaos.spoiled("getStatus", "STATUS_OK:358042") == "STATUS_O"


def test_an_answer_may_be_late() -> None:
    chaos = Chaos(Rates(slow=1, slow_s=2))
    chaos.fault("getStatus")
    assert 0 < chaos.delay_s("getStatus") < 2


def test_a_list_may_forget_double_and_mix_its_numbers() -> None:
    chaos = Chaos(Rates(forget=0.1, double=0.1, shuffle=1))
    chaos.fault("getActiveActivations")
    found = chaos.listed("getActiveActivations", IDS)
    assert 850 < len(set(found)) < 950
    assert 50 < len(found) - len(set(found)) < 150
    assert found != sorted(found, key=IDS.index)
    chaos.fault("getActiveActivations")
    assert set(chaos.listed("getActiveActivations", IDS)) != set(found)
    assert chaos.sms_in_order("1", ["old", "new"]) == ["new", "old"]


def test_a_cancel_may_be_too_early_at_one_time_and_not_at_another() -> None:
    chaos = Chaos(Rates(early_cancel=0.5))
    times = [NOW.replace(second=second) for second in range(60)]
    assert 10 < sum(chaos.refuses_cancel("1", at) for at in times) < 50


def test_a_webhook_may_be_forgotten_doubled_and_late() -> None:
    assert Chaos(Rates(forget=1)).posts("1", 1) == []
    assert Chaos(Rates(double=1)).posts("1", 1) == [0.0, 0.0]
    (late,) = Chaos(Rates(shuffle=1, slow_s=3)).posts("1", 1)
    assert 0 < late < 3


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"errors": 1}', b'{"error": 1.5}', b'{"seed": "x"}', b"\xff"]
)
def test_wrong_rates_are_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(ScriptError, match="the chaos is wrong"):
        parse(body)


def test_rates_are_read() -> None:
    assert parse(b'{"seed": 3, "html": 0.25}') == Rates(seed=3, html=0.25)
