"""Names, lifetimes and amounts as people type them."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from sonnette import people

SOMEONE = UUID("00000000-0000-4000-8000-00000000002a")


def test_demo_users_have_the_uuids_that_the_design_gives_them() -> None:
    assert people.known_user("alice") == UUID("a11ce000-0000-4000-8000-000000000001")
    assert people.known_user("bob") == UUID("b0b00000-0000-4000-8000-000000000002")


def test_a_uuid_is_its_own_name_and_any_other_word_needs_the_database() -> None:
    assert people.known_user(str(SOMEONE)) == SOMEONE
    assert people.known_user("carol") is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)]
)
def test_lifetimes(text: str, seconds: int) -> None:
    assert people.ttl(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "1", "h", "0s", "-1h", "1.5h", "1 h", "367d", "1h30m", "\u0661h"]
)
def test_what_is_no_lifetime(text: str) -> None:
    with pytest.raises(ValueError, match="a lifetime is written 90s, 15m, 1h or 7d"):
        people.ttl(text)


@pytest.mark.parametrize(("text", "value"), [("5", "5"), ("5.5", "5.5"), ("0.01", "0.01")])
def test_amounts(text: str, value: str) -> None:
    assert people.amount(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "0", "0.00", "-1", "1.005", "1e3", "NaN", "1,00", "5."])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="an amount is over zero"):
        people.amount(text)
