"""`select`: which columns a binding gets, and that whole rows and parts of them go side by side."""

import json

import pytest

from db.feed import Change
from gateway import catalog
from gateway.frames import ChangeFrame
from gateway.hub import Hub
from gateway.joins import JoinRefused, bindings_of
from tests.unit.gateway_parts import (
    ACTIVATIONS,
    ALICE,
    WALLETS,
    Client,
    Feeds,
    Frame,
    activations,
    joined,
    turn,
)

CATALOG = catalog.build([ACTIVATIONS, WALLETS])
NUMBERS = {"feed_seq", "feed_prev"}


def selected(binding: Frame) -> frozenset[str] | None:
    asked = {**activations(), **binding}
    [one] = bindings_of({"config": {"postgres_changes": [asked]}}, ALICE, CATALOG, 10)
    return one.columns


def frame(op: str, record: str | None, old: str | None) -> ChangeFrame:
    return ChangeFrame(Change(42, "", "public", "activations", op, record, old), CATALOG)


def test_the_primary_key_is_always_added() -> None:
    assert selected({"select": ["status"]}) == frozenset({"id", "status"})
    assert selected({"select": ["id", "status", "status"]}) == frozenset({"id", "status"})


@pytest.mark.parametrize("absent", [{}, {"select": None}, {"select": []}])
def test_without_a_column_rows_come_whole(absent: Frame) -> None:
    assert selected(absent) is None


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        ({"select": ["colour"]}, "invalid column for select colour"),
        ({"select": ["status", "Status"]}, "invalid column for select Status"),
        ({"select": ["feed_seq"]}, "invalid column for select feed_seq"),
        ({"select": "status"}, "`select` must be a list of column names"),
        ({"select": ["status", 7]}, "`select` must be a list of column names"),
        ({"select": {"status": True}}, "`select` must be a list of column names"),
        (
            {"select": ["status"], "table": "*"},
            "Column selection is not supported for wildcard subscriptions",
        ),
        (
            {"select": ["status"], "schema": "*"},
            "Column selection is not supported for wildcard subscriptions",
        ),
        (
            {"select": ["status"], "table": None},
            "Column selection is not supported for wildcard subscriptions",
        ),
    ],
)
def test_a_selection_that_cannot_be_served_is_refused(binding: Frame, reason: str) -> None:
    with pytest.raises(JoinRefused) as refused:
        selected(binding)
    assert refused.value.reason == f"InvalidSelect: {reason}"


@pytest.mark.parametrize("op", ["INSERT", "UPDATE", "DELETE"])
def test_records_and_columns_are_reduced_and_the_numbers_stay(op: str) -> None:
    row = '{"id":1,"user_id":"a","status":"received","sms_count":1,"price":0.50}'
    new, old = (None if op == "DELETE" else row), (None if op == "INSERT" else row)
    one = frame(op, new, old)
    only = frozenset({"id", "price"})
    data = one.data(41, only)
    assert '"columns":[{"name":"id","type":"int8"},{"name":"price","type":"numeric"}]' in data
    assert data.count('"id":1,"price":0.50') == (2 if op == "UPDATE" else 1)
    found = json.loads(data)
    for name in found.keys() & {"record", "old_record"}:
        assert found[name].keys() - NUMBERS == only
    numbered = found["old_record" if op == "DELETE" else "record"]
    assert (numbered["feed_seq"], numbered["feed_prev"]) == (42, 41)
    assert "status" not in data


def test_each_value_keeps_the_text_that_postgres_wrote() -> None:
    odd = '"note":"\\u00e9 \\" {\\"a\\":1}","price":12345678901234567890.50,"doc":{"b": [1,  2]}'
    one = frame("INSERT", f'{{"id":1,"user_id":"a",{odd}}}', None)
    assert f'"record":{{"id":1,{odd},"feed_seq"' in one.data(
        0, frozenset({"id", "note", "price", "doc"})
    )


def test_a_row_too_deep_to_take_apart_comes_whole() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    one = frame("INSERT", f'{{"id":1,"doc":{deep}}}', None)
    assert f'"doc":{deep},"feed_seq":42' in one.data(0, frozenset({"id"}))


def test_bindings_that_select_differently_get_frames_of_their_own(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(
        client, hub, feeds,
        activations(select=["status"]), activations(), activations(select=["id", "status"]),
    )  # fmt: skip
    feeds.add(sms_count=1)
    turn(hub, feeds)
    frames = [one["payload"] for one in client.take()]
    assert [one["ids"] for one in frames] == [[1, 3], [2]]
    part = {"id": 1, "status": "pending"}
    assert frames[0]["data"]["record"] == {**part, "feed_seq": 1, "feed_prev": 0}
    assert frames[0]["data"]["old_record"] == part
    assert frames[1]["data"]["record"]["sms_count"] == 1


def test_a_filter_may_look_at_what_is_not_selected(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds, activations(select=["id"], filter="status=eq.received"))
    feeds.add(status="pending")
    feeds.add(status="received")
    turn(hub, feeds)
    assert client.changes() == [([1], 2, 0)]
