"""What a provider posts about an SMS, in each manner that is documented, and in none."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import deliveries
from service.problems import Problem
from service.rows import WebhookAccount
from service.webhooks import is_let_in, is_secret

CLASSIC = {
    "activationId": 635468024,
    "service": "go",
    "text": "Your code is 12345",
    "code": "12345",
    "country": 2,
    "receivedAt": "2023-01-01 12:00:00",
}
HERO = CLASSIC | {
    "activationId": "635468024",
    "id": "6354680240",
    "phoneFrom": "WhatsApp",
    "receivedAt": "2023-01-01T12:00:00+00:00",
}


def parse(told: object) -> deliveries.Delivery:
    return deliveries.parse(json.dumps(told).encode())


@pytest.mark.parametrize("told", [CLASSIC, HERO, HERO | {"code": None}, HERO | {"text": None}])
def test_both_kinds_name_their_order(told: dict[str, object]) -> None:
    found = parse(told)
    assert found.order_id == "635468024"
    assert json.loads(found.body) == told


def test_the_same_delivery_has_the_same_key() -> None:
    again = dict(reversed(HERO.items())) | {"id": "another try", "country": 7}
    assert parse(again).dedupe_key == parse(HERO).dedupe_key


@pytest.mark.parametrize(
    "other",
    [{"receivedAt": "2023-01-01 12:00:01"}, {"text": "x"}, {"code": None}, {"activationId": "1"}],
)
def test_another_sms_has_another_key(other: dict[str, object]) -> None:
    assert parse(CLASSIC | other).dedupe_key != parse(CLASSIC).dedupe_key


@pytest.mark.parametrize("id", [None, True, 1.5, "", "a b", "x" * 65, [], {"a": 1}, "1'--"])
def test_what_cannot_be_an_order_is_none(id: object) -> None:
    assert parse({"activationId": id, "text": "1"}).order_id is None


def test_an_object_of_another_kind_is_stored_by_all_that_it_says() -> None:
    rent = {"rentId": "26251422", "sms": {"text": "1", "date": "2025-06-17 16:01:10"}}
    assert parse(rent).order_id is None
    assert parse(rent).dedupe_key != parse(rent | {"rentId": "1"}).dedupe_key


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"null", b'"358042"', b"<html>", b"{", b'{"a":358042', b"\xff{}"]
)
def test_what_is_no_object_is_refused_and_not_repeated(body: bytes) -> None:
    with pytest.raises(Problem) as refused:
        deliveries.parse(body)
    assert refused.value.code == "malformed"
    assert "358042" not in str(refused.value)


def test_what_postgres_cannot_hold_is_taken_out() -> None:
    told = {"activationId": "1", "te\x00xt": ["a\x00b", {"c": "d\x00"}], "text": "e\x00f"}
    assert "\x00" not in json.loads(parse(told).body)["text"]
    assert "\\u0000" not in parse(told).body


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    with suppress(Problem):
        deliveries.parse(body)


def test_it_does_not_show_what_it_holds() -> None:
    assert "12345" not in repr(parse(CLASSIC))


def account(secret: bytes | None = None, *addresses: str) -> WebhookAccount:
    return WebhookAccount(secret, addresses or None)


def test_an_account_without_a_secret_is_nobody_s() -> None:
    for secret in ("", "\x00" * 32, "0" * 64):
        assert not is_secret(secret, account())


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("2001:db8::1", True),
        ("::1", False),
        (None, False),
    ],
)
def test_only_who_is_on_the_list_is_let_in(address: str | None, is_in: bool) -> None:
    assert is_let_in(address, account(None, "203.0.113.0/24", "2001:db8::/32")) == is_in
    assert is_let_in(address, account())
