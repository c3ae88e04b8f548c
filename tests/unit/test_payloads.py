"""What the HTTP API takes and gives: structs, cursors, rows of the feed, refusals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import (
    DatabaseFailed,
    DatabaseRefused,
    DatabaseUnavailable,
    SonnetteError,
    TryAgain,
)
from service.parameters import (
    ActivationsQuery,
    ChangesQuery,
    OfferPosition,
    activation_cursor,
    activation_position,
    offer_cursor,
    offer_position,
    query,
    statuses,
    wait_s,
)
from service.payloads import Nothing, Purchase, amount, checked, decode
from service.problems import KINDS, Problem, from_database
from service.records import UnknownColumn, on_wire

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(timezones=st.just(UTC))


def code_of(call: Callable[[], object]) -> str | None:
    """The code of the Problem that the call ends in, None if in none."""
    try:
        call()
    except Problem as refused:
        return refused.code
    return None


def test_a_purchase_needs_a_service_and_a_country() -> None:
    asked = decode(b'{"service_code":"wa","country_code":"6"}', Purchase)
    assert asked == Purchase("wa", "6", None, None)
    assert checked(asked) is asked


@pytest.mark.parametrize("text", ["0", "0.5", "0.50", "9999999999.99"])
def test_an_amount_is_a_string(text: str) -> None:
    assert amount("max_price", text) == Decimal(text)


@pytest.mark.parametrize(
    "text", ["", ".5", "5.", "0.001", "-1", "+1", "1e1", " 1", "1 ", "\u0661", "NaN"]
)
def test_what_is_no_amount_is_refused_by_field(text: str) -> None:
    with pytest.raises(Problem, match="max_price") as refused:
        amount("max_price", text)
    assert refused.value.code == "invalid_value"


@given(st.binary(max_size=200))
def test_no_body_is_worse_than_malformed(body: bytes) -> None:
    code = code_of(lambda: decode(body, Nothing))
    assert code == "malformed" or (code is None and body.strip() == b"{}")


@given(st.text(max_size=70))
def test_what_is_checked_fits_into_postgres(word: str) -> None:
    if code_of(lambda: checked(Purchase(word, "6"))) != "invalid_value":
        assert "\x00" not in word
        word.encode()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], 5),
        (["wait=0"], 0),
        (["wait=12"], 12),
        (["wait=31"], 30),
        (["Wait = 7"], 7),
        (["respond-async, wait=9"], 9),
        (["respond-async", "wait=9"], 9),
        (["wait=9; foo=bar"], 9),
        (['wait="9"'], 9),
        (["wait=1, wait=2"], 1),
        (["wait=-1"], 5),
        (["wait=long"], 5),
        (["await=1"], 5),
        (["wait=99999999999999999999"], 5),
    ],
)
def test_prefer_says_how_long_to_wait(headers: list[str], seconds: int) -> None:
    assert wait_s(headers) == seconds


def test_a_query_takes_its_types_and_leaves_out_what_is_empty() -> None:
    assert query([("after", "41"), ("epoch", "")], ChangesQuery) == ChangesQuery(after=41)
    assert query([("status", "pending")], ActivationsQuery).limit == 50


@pytest.mark.parametrize(
    ("pairs", "field"),
    [([("afetr", "1")], "afetr"), ([("after", "1.5")], "after"), ([("wait", "1")] * 2, "wait")],
)
def test_a_query_refuses_by_name(pairs: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(Problem, match=f"`{field}`") as refused:
        query(pairs, ChangesQuery)
    assert refused.value.code == "malformed"
    assert refused.value.members == {"field": field}


def test_statuses_are_a_list() -> None:
    assert statuses(None) is None
    assert statuses("pending, received") == ["pending", "received"]
    with pytest.raises(Problem, match="requested, pending"):
        statuses("pending,")


@given(MOMENTS, st.uuids())
def test_a_cursor_of_activations_comes_back_as_it_was(moment: datetime, row: UUID) -> None:
    assert activation_position(activation_cursor(moment, row)) == (moment, row)


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).filter(str.isprintable)


@given(WORDS, WORDS, st.decimals(0, 10**9, places=2), WORDS, WORDS)
def test_a_cursor_of_offers_comes_back_as_it_was(
    service: str, country: str, price: Decimal, provider: str, operator: str
) -> None:
    position = OfferPosition(service, country, price, provider, operator)
    assert offer_position(offer_cursor(position)) == position


@given(st.text(max_size=100))
def test_a_cursor_from_elsewhere_is_refused(text: str) -> None:
    for read in (activation_position, offer_position):
        with pytest.raises(Problem, match="after"):
            read(text)


def test_a_row_of_the_feed_reads_as_the_api_shows_rows() -> None:
    types = {"id": "int8", "price": "numeric", "at": "timestamptz", "note": "text", "x": "jsonb"}
    row = (
        '{"id":1,"price":0.50,"at":"2026-01-01T01:00:00.5+01:00","note":"0.50","x":{"price":0.50}}'
    )
    assert bytes(on_wire(row, types)) == (
        b'{"id":1,"price":"0.50","at":"2026-01-01T00:00:00.500000Z","note":"0.50","x":{"price":0.50}}'
    )


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("numeric", "null"),
        ("numeric", '"NaN"'),
        ("timestamptz", "null"),
        ("timestamptz", '"infinity"'),
        ("timestamptz", '"0044-03-15T12:00:00+00:00 BC"'),
        ("int8", "9007199254740993"),
    ],
)
def test_what_has_no_other_form_stays(type_name: str, text: str) -> None:
    assert bytes(on_wire(f'{{"it":{text}}}', {"it": type_name})) == f'{{"it":{text}}}'.encode()


def test_a_column_that_nobody_knows_is_said_or_shown_as_it_was() -> None:
    with pytest.raises(UnknownColumn):
        on_wire('{"it":1.50}', {})
    assert bytes(on_wire('{"it":1.50}', {}, dropped_columns=True)) == b'{"it":1.50}'


def refusal(error: SonnetteError) -> dict[str, object]:
    body: dict[str, object] = msgspec.json.decode(from_database(error, NOW).body())
    return body


def test_the_rules_of_the_database_become_problems_with_their_fields() -> None:
    money = DatabaseRefused("SN402", "not enough", {"needed": "0.50", "available": "0.30"})
    assert refusal(money)["needed"] == "0.50"
    assert refusal(money)["status"] == 402
    offer = DatabaseRefused("SN404", "no such offer", {"what": "offer"})
    assert refusal(offer)["code"] == "unknown_offer"
    price = DatabaseRefused("SN409", "dearer", {"code": "price_changed", "price": "0.60"})
    assert (refusal(price)["code"], refusal(price)["price"]) == ("price_changed", "0.60")
    state = DatabaseRefused("SN409", "no", {"status": "failed"})
    assert (refusal(state)["code"], refusal(state)["status"]) == ("state_forbids", 409)
    assert refusal(state)["activation_status"] == "failed"
    value = DatabaseRefused("SN422", "no", {"field": "amount"})
    assert (refusal(value)["status"], refusal(value)["field"]) == (422, "amount")


def test_too_early_says_when_and_in_how_many_seconds() -> None:
    at = NOW + timedelta(seconds=90.2)
    early = DatabaseRefused("SN409", "soon", {"status": "pending", "cancel_after": at.isoformat()})
    problem = from_database(early, NOW)
    assert problem.code == "too_early"
    assert problem.headers == {"Retry-After": "91"}
    assert b'"cancel_after":"2026-01-01T00:01:30.200000Z"' in problem.body()


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable("connection to db.internal failed"),
        TryAgain("deadlock"),
        DatabaseFailed("57014", "canceling statement due to statement timeout"),
    ],
)
def test_a_database_that_is_away_or_busy_is_503(error: SonnetteError) -> None:
    problem = from_database(error, NOW)
    assert (problem.status, problem.headers) == (503, {"Retry-After": "1"})
    assert str(error).encode() not in problem.body()


def test_what_nobody_foresaw_is_500_without_its_words() -> None:
    problem = from_database(DatabaseFailed("22P02", "invalid input: 358042"), NOW)
    assert problem.status == 500
    assert b"358042" not in problem.body()


def test_no_member_hides_one_of_the_standards() -> None:
    body = msgspec.json.decode(Problem("state_forbids", "no", {"status": "failed"}).body())
    assert list(body) == ["type", "title", "status", "detail", "code"]
    assert body["status"] == KINDS["state_forbids"][0]
