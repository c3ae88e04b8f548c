"""What an answer says of a purchase, a check, a cancel and a finish, for each state of the row."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest

from db.activation import OVER, Status
from service import outcomes
from service.outcomes import Seen
from service.payloads import Activation
from service.problems import Problem

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID(int=1)
ROW = Activation(
    id=ID,
    user_id=UUID(int=2),
    provider="simulator",
    order_id="7",
    service_code="wa",
    country_code="6",
    operator=None,
    phone="628123",
    status="pending",
    sms_code="358042",
    sms_text="Your code is 358042",
    sms_count=0,
    sms_received_at=None,
    price=Decimal("0.50"),
    frozen_amount=Decimal("0.50"),
    charged=False,
    cancel_after=None,
    expires_at=None,
    failure=None,
    created_at=NOW,
    updated_at=NOW,
)
STATUSES: tuple[Status, ...] = get_args(Status)


def seen(status: Status, done: bool = False, **changes: Any) -> Seen:
    return Seen(msgspec.structs.replace(ROW, status=status, **changes), 42, done)


@pytest.mark.parametrize("status", STATUSES)
def test_a_purchase_is_202_until_there_is_a_number_and_409_if_there_is_none(status: Status) -> None:
    match status:
        case "requested":
            assert outcomes.of_purchase(seen(status)) == 202
        case "failed":
            with pytest.raises(Problem) as refused:
                outcomes.of_purchase(seen(status, failure="no_numbers"))
            assert refused.value.code == "no_numbers"
            assert refused.value.members == {"activation_id": ID}
            assert refused.value.headers["Sonnette-Feed-Seq"] == "42"
        case _:
            assert outcomes.of_purchase(seen(status)) == 201
    assert outcomes.purchase_settled(seen(status)) is (status != "requested")


@pytest.mark.parametrize("failure", [None, "no_balance", "banned", "internal"])
def test_a_failure_that_the_api_does_not_name_is_a_provider_error(failure: str | None) -> None:
    with pytest.raises(Problem) as refused:
        outcomes.of_purchase(seen("failed", failure=failure))
    assert refused.value.code == "provider_error"


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("done", [True, False])
def test_a_check_is_200_once_it_is_answered_or_over(status: Status, done: bool) -> None:
    answered = done or status in OVER
    assert outcomes.of_check(seen(status, done)) == (200 if answered else 202)


@pytest.mark.parametrize("status", STATUSES)
def test_a_cancel_is_what_the_row_says(status: Status) -> None:
    if status in OVER:
        assert outcomes.of_cancel(seen(status), NOW) == 200
    elif status == "cancelling":
        assert outcomes.of_cancel(seen(status), NOW) == 202
    else:
        with pytest.raises(Problem) as refused:
            outcomes.of_cancel(seen(status), NOW)
        assert refused.value.code == "cancel_refused"
        assert refused.value.members["activation_status"] == status
        assert "Retry-After" not in refused.value.headers


def test_a_refused_cancel_says_when_to_try_again() -> None:
    at = NOW + timedelta(seconds=100)
    with pytest.raises(Problem, match="cancel_too_early") as refused:
        outcomes.of_cancel(seen("pending", cancel_after=at, failure="cancel_too_early"), NOW)
    assert refused.value.headers["Retry-After"] == "100"
    assert refused.value.members["cancel_after"] == at
    assert b"358042" not in refused.value.body()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("done", [True, False])
def test_a_finish_is_200_when_it_is_over(status: Status, done: bool) -> None:
    if status in OVER:
        assert outcomes.of_finish(seen(status, done)) == 200
    elif not done:
        assert outcomes.of_finish(seen(status, done)) == 202
    else:
        with pytest.raises(Problem) as refused:
            outcomes.of_finish(seen(status, done))
        assert refused.value.code == "provider_error"
