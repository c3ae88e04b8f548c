"""What a phx_join asks for: its token, its bindings made ready, the reason where one cannot be."""

import json

import pytest

from gateway import catalog
from gateway.joins import Cursor, JoinRefused, Wanted, bindings_of, token_of
from tests.columns import table_row
from tests.unit.gateway_parts import ACTIVATIONS, ALICE, BOB, WALLETS, Frame, activations

ELSEWHERE = table_row("shop.wallets", "owner", {"id": "int8", "owner": "uuid"}, key="id")
CATALOG = catalog.build([ACTIVATIONS, WALLETS, ELSEWHERE])


def wanted(*bindings: object, user: str | None = ALICE, most: int = 10) -> list[Wanted]:
    return bindings_of({"config": {"postgres_changes": list(bindings)}}, user, CATALOG, most)


def refusal(*bindings: object, user: str | None = ALICE, most: int = 10) -> str:
    with pytest.raises(JoinRefused) as refused:
        wanted(*bindings, user=user, most=most)
    return refused.value.reason


def test_the_subscription_that_clients_write() -> None:
    asked = activations("UPDATE", filter=f"user_id=eq.{ALICE}")
    [one] = wanted(asked)
    assert (one.user, one.event, one.schema, one.table) == (
        ALICE,
        "UPDATE",
        "public",
        "activations",
    )
    assert one.cursor == Cursor(None, None)
    assert one.filter is None, "what the feed promises anyway is not looked at again"
    assert json.loads(one.echo) == asked


def test_the_rest_of_a_filter_still_narrows() -> None:
    [one] = wanted(activations(filter=f"user_id=eq.{ALICE},status=eq.received"))
    assert one.filter is not None
    assert one.filter.matches({"status": "received"})
    assert not one.filter.matches({"status": "pending"})


def test_a_filter_on_someone_else_narrows_to_nothing() -> None:
    [one] = wanted(activations(filter=f"user_id=eq.{BOB}"))
    assert one.user == ALICE
    assert one.filter is not None
    assert not one.filter.matches({"user_id": ALICE})


def test_the_order_and_number_of_bindings_is_kept() -> None:
    same = activations("INSERT")
    assert [one.event for one in wanted(same, activations("DELETE"), same)] == [
        "INSERT", "DELETE", "INSERT",
    ]  # fmt: skip


def test_the_echo_keeps_every_key_but_the_id() -> None:
    [one] = wanted(activations(id=7, mine={"deep": [1, None]}, since=3, filter=None))
    assert json.loads(one.echo) == activations(mine={"deep": [1, None]}, since=3, filter=None)


@pytest.mark.parametrize("event", ["insert", "Insert", "INSERT"])
def test_an_event_is_known_in_any_case(event: str) -> None:
    assert wanted(activations(event))[0].event == "INSERT"


@pytest.mark.parametrize("event", ["*", "UPSERT", "", None, 7, []])
def test_any_other_event_means_all(event: object) -> None:
    assert wanted({**activations(), "event": event})[0].event == "*"


@pytest.mark.parametrize(
    ("binding", "names"),
    [
        ({"table": "wallets"}, ("public", "wallets")),
        ({"schema": "shop"}, ("shop", "*")),
        ({"schema": "*", "table": "wallets"}, ("*", "wallets")),
        ({"schema": "*"}, ("*", "*")),
        ({"table": "*"}, ("public", "*")),
    ],
)
def test_wildcards_and_defaults(binding: Frame, names: tuple[str, str]) -> None:
    [one] = wanted(binding)
    assert (one.schema, one.table) == names


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"config": None},
        {"config": []},
        {"config": {"postgres_changes": None}},
        {"config": {"postgres_changes": {}}},
        {"config": {"postgres_changes": [None, 7, "x", []]}},
    ],
)
def test_a_config_without_bindings_has_none(payload: Frame) -> None:
    assert bindings_of(payload, ALICE, CATALOG, 10) == []


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        (
            {"event": "*"},
            "UnableToSubscribe: No subscription params provided. "
            "Please provide at least a `schema` or `table`",
        ),
        (
            {"schema": 7, "table": None},
            "UnableToSubscribe: No subscription params provided. "
            "Please provide at least a `schema` or `table`",
        ),
        (
            {"schema": "public", "table": "users"},
            "UnableToSubscribe: no table public.users is watched; "
            "an administrator can put it on the feed",
        ),
        (
            {"schema": "public", "filter": "status=eq.x"},
            "UnableToSubscribe: a filter needs a `table` whose columns it names",
        ),
        (
            {"schema": "*", "table": "wallets", "filter": "balance=eq.1"},
            "InvalidFilter: a filter needs one table, not a wildcard",
        ),
        (activations(filter=7), "InvalidFilter: `filter` must be a string"),
        (activations(filter="colour=eq.red"), "InvalidFilter: invalid column for filter colour"),
        (
            activations(since=-1),
            "InvalidCursor: `since` must be a feed_seq: an integer, 0 or more",
        ),
        (
            activations(epoch=7),
            "InvalidCursor: `epoch` must be the string that came with the feed_seq",
        ),
    ],
)
def test_a_binding_that_can_never_deliver_is_refused(binding: Frame, reason: str) -> None:
    assert refusal(binding) == reason


@pytest.mark.parametrize("since", [True, 1.5, "7", 2**62, 10**30, [], -1])
def test_a_cursor_is_a_whole_number(since: object) -> None:
    assert refusal(activations(since=since)).startswith("InvalidCursor")


def test_cursors_are_taken_as_given() -> None:
    [one] = wanted(activations(since=0, epoch="0123456789abcdef"))
    assert one.cursor == Cursor(0, "0123456789abcdef")
    assert wanted(activations(since=None, epoch=None))[0].cursor == Cursor(None, None)


def test_one_bad_binding_refuses_the_join() -> None:
    assert refusal(activations(), activations(filter="x")).startswith("InvalidFilter")


def test_the_number_of_bindings_is_limited() -> None:
    assert len(wanted(*[activations()] * 10)) == 10
    assert refusal(*[activations()] * 11) == (
        "TooManyBindings: a channel has at most 10 postgres_changes bindings"
    )


def test_the_number_of_patterns_is_limited_over_all_bindings() -> None:
    five = activations(filter=",".join(["status=like.a%"] * 5))
    assert len(wanted(*[five] * 10)) == 10
    assert refusal(*[five] * 10, activations(filter="status=match.a"), most=11) == (
        "InvalidFilter: too many conditions with like, ilike, match or imatch in a join. Maximum 50"
    )


def test_service_role_reads_the_user_that_its_filter_names() -> None:
    [one] = wanted(activations(filter=f"status=eq.x,user_id=eq.{BOB.upper()}"), user=None)
    assert one.user == BOB
    [other] = wanted(
        {"schema": "shop", "table": "wallets", "filter": f"owner=eq.{ALICE}"}, user=None
    )
    assert other.user == ALICE


@pytest.mark.parametrize(
    "extra", [{}, {"filter": "status=eq.x"}, {"filter": f"user_id=in.({ALICE},{BOB})"}]
)
def test_service_role_must_name_one_user(extra: Frame) -> None:
    assert refusal(activations(**extra), user=None) == (
        "Unauthorized: service_role must name one user in its filter: user_id=eq.<uuid>"
    )


def test_service_role_that_names_two_users_gets_nothing_of_the_second() -> None:
    [one] = wanted(activations(filter=f"user_id=eq.{ALICE},user_id=eq.{BOB}"), user=None)
    assert one.user == ALICE
    assert one.filter is not None
    assert not one.filter.matches({"user_id": ALICE})


def test_a_binding_nested_too_deeply_is_refused_before_anybody_has_to_encode_it() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    assert refusal(activations(mine=deep)) == "UnableToSubscribe: a binding is nested too deeply"


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"access_token": "a"}, "a"),
        ({"user_token": "u", "access_token": "a"}, "u"),
        ({"user_token": "", "access_token": "a"}, "a"),
        ({"user_token": None, "access_token": "a"}, "a"),
        ({}, None),
        ({"access_token": None}, None),
        ({"access_token": ""}, None),
        ({"access_token": 7}, None),
        ({"access_token": "sb_publishable_x"}, None),
    ],
)
def test_the_token_of_a_join(payload: Frame, found: str | None) -> None:
    assert token_of(payload) == found
