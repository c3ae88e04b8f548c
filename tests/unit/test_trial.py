"""What a trial purchase does next, and how it tells of what happened."""

from datetime import UTC, datetime, timedelta

import pytest

from sonnette import trial
from sonnette.trial import Seen

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pending(cancel_after: datetime | None = None) -> Seen:
    return Seen("pending", charged=False, cancel_after=cancel_after)


def step(found: Seen, *, stopping: bool = False, received_at: datetime | None = None) -> str:
    return trial.step(found, NOW, stopping=stopping, received_at=received_at)


@pytest.mark.parametrize("status", ["completed", "cancelled", "timeout", "failed"])
def test_a_number_that_is_over_is_left(status: str) -> None:
    assert step(Seen(status, charged=status == "completed", cancel_after=None)) == "leave"


@pytest.mark.parametrize("status", ["requested", "pending", "cancelling"])
def test_what_is_under_way_is_watched(status: str) -> None:
    assert step(Seen(status, charged=False, cancel_after=None)) == "watch"


def test_a_number_without_an_sms_is_given_back_in_the_end_but_not_before_it_can_be() -> None:
    assert step(pending(), stopping=True) == "cancel"
    assert step(pending(at(-1)), stopping=True) == "cancel"
    assert step(pending(at(30)), stopping=True) == "watch"
    assert trial.wait_s(pending(at(30)), NOW) == 30


@pytest.mark.parametrize("status", ["requested", "cancelling"])
def test_what_cannot_be_given_back_now_is_watched(status: str) -> None:
    assert step(Seen(status, charged=False, cancel_after=None), stopping=True) == "watch"


def test_a_number_with_its_sms_is_closed_and_never_given_back() -> None:
    received = Seen("received", charged=True, cancel_after=None)
    assert step(received, stopping=True, received_at=NOW) == "finish"
    again = Seen("pending", charged=True, cancel_after=None)
    assert step(again, stopping=True, received_at=NOW) == "finish"


def test_a_number_that_is_not_closed_in_time_is_left_to_the_poller() -> None:
    received = Seen("received", charged=True, cancel_after=None)
    assert step(received, received_at=at(-20)) == "leave"
    assert "closes it at its end" in trial.ending(received)


def test_the_record_of_an_activation_is_read() -> None:
    record = {"status": "pending", "charged": False, "cancel_after": "2026-01-01T12:00:30+00:00"}
    assert trial.seen(record) == pending(at(30))
    assert trial.seen({"status": "failed", "cancel_after": None}).is_over


@pytest.mark.parametrize(
    ("table", "record", "shown"),
    [
        (
            "activations",
            {
                "status": "requested",
                "service_code": "wa",
                "country_code": "6",
                "provider": "main",
                "price": 0.5,
            },
            "requested: wa in 6 at main, 0.50 frozen",
        ),
        ("activations", {"status": "pending", "sms_count": 1}, "pending"),
        ("activations", {"status": "failed", "failure": "no_numbers"}, "failed: no_numbers"),
        ("activations", {"status": "timeout", "price": "0.50"}, "timeout: 0.50 given back"),
        ("messages", {"code": None, "text": "Hi"}, "SMS: code none, text Hi"),
    ],
)
def test_a_change_is_one_line(table: str, record: dict[str, object], shown: str) -> None:
    found = trial.line(table, record, 7, "2026-01-01T12:00:30.123Z")
    assert found == f"   7 12:00:30 {shown}"
