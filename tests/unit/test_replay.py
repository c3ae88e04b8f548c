"""The cursor of a channel, in `config.broadcast.replay`, where PyPI realtime can keep one."""

import pytest

from gateway import catalog
from gateway.hub import Hub
from gateway.joins import Cursor, JoinRefused, bindings_of
from tests.unit.gateway_parts import (
    ACTIVATIONS,
    ALICE,
    BOB,
    Client,
    Feeds,
    Frame,
    activations,
    token,
)

CATALOG = catalog.build([ACTIVATIONS])
EPOCH = "0123456789abcdef"


def cursors(broadcast: object, *bindings: Frame, user: str | None = ALICE) -> list[Cursor]:
    config = {"broadcast": broadcast, "postgres_changes": list(bindings or [activations()])}
    return [one.cursor for one in bindings_of({"config": config}, user, CATALOG, 10)]


def test_it_is_that_of_each_binding_without_one_of_its_own() -> None:
    replay = {"ack": False, "self": False, "replay": {"since": 3, "epoch": EPOCH}}
    own = activations(since=5, epoch="5" * 16)
    assert cursors(replay, activations(), own, activations(since=0)) == [
        Cursor(3, EPOCH), Cursor(5, "5" * 16), Cursor(0, None),
    ]  # fmt: skip


def test_zero_is_from_the_start() -> None:
    assert cursors({"replay": {"since": 0}}) == [Cursor(0, None)]


@pytest.mark.parametrize(
    "broadcast",
    [
        None,
        "x",
        {},
        {"replay": None},
        {"replay": []},
        {"replay": {}},
        {"replay": {"since": None}},
        {"replay": {"limit": 5}},
        {"replay": {"since": 1_795_772_960_123, "limit": 5}},
        {"replay": {"since": 1.7e12}},
    ],
)
def test_without_a_number_or_with_a_time_as_on_supabase_there_is_none(broadcast: object) -> None:
    assert cursors(broadcast) == [Cursor(None, None)]


@pytest.mark.parametrize("since", ["7", -1, 1.5, True, []])
def test_what_can_be_no_cursor_is_refused_and_not_passed_over(since: object) -> None:
    with pytest.raises(JoinRefused, match="InvalidCursor"):
        cursors({"replay": {"since": since}})


def test_one_cursor_is_not_that_of_several_users() -> None:
    of_both = [activations(filter=f"user_id=eq.{user}") for user in (ALICE, BOB)]
    assert cursors({}, *of_both, user=None) == [Cursor(None, None)] * 2
    with pytest.raises(JoinRefused, match="InvalidCursor: one cursor for the feeds of several"):
        cursors({"replay": {"since": 3}}, *of_both, user=None)


def test_a_rejoin_on_the_same_socket_goes_on_from_where_it_is_by_then(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for since in (0, 2):
        for _ in range(2):
            feeds.add()
        config = {
            "broadcast": {"replay": {"since": since, "epoch": feeds.wire_epoch()}},
            "postgres_changes": [activations()],
        }
        client.say("phx_join", {"config": config, "access_token": token()})
        feeds.turn(hub)
        records = [
            frame["payload"]["data"]["record"]
            for frame in client.take()
            if frame["event"] == "postgres_changes"
        ]
        assert [(one["feed_seq"], one["feed_prev"]) for one in records] == [
            (since + 1, since), (since + 2, since + 1),
        ]  # fmt: skip
