"""Cursors that cannot be served, and histories that are others: an explicit resync, never a gap."""

import pytest

from gateway.hub import Hub
from tests.unit.gateway_parts import (
    ALICE,
    BOB,
    SUBSCRIBED,
    Client,
    Feeds,
    activations,
    joined,
    told,
    turn,
)

# --- cursors that cannot be served


def test_a_cursor_older_than_what_is_kept(client: Client, hub: Hub, feeds: Feeds) -> None:
    for _ in range(5):
        feeds.add()
    feeds.pruned[ALICE] = 3
    client.join(activations(since=2))
    feeds.turn(hub)
    assert told(client) == [("postgres_changes", SUBSCRIBED, 5), ("resync", "cursor too old", 5)]
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1], 6, 5)]


def test_the_oldest_cursor_that_is_still_kept(client: Client, hub: Hub, feeds: Feeds) -> None:
    for _ in range(5):
        feeds.add()
    feeds.pruned[ALICE] = 3
    client.join(activations(since=3))
    feeds.turn(hub)
    assert client.events() == ["phx_reply", "system", "postgres_changes", "postgres_changes"]


def test_a_cursor_into_a_history_of_which_nothing_is_kept(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(5):
        feeds.add()
    feeds.pruned[ALICE] = 5
    client.join(activations(since=4))
    client.join(activations(since=5), topic="realtime:at the end")
    feeds.turn(hub)
    assert [extension for extension, _, _ in told(client)].count("resync") == 1


def test_a_cursor_ahead(client: Client, hub: Hub, feeds: Feeds) -> None:
    feeds.add()
    client.join(activations(since=2))
    feeds.turn(hub)
    assert told(client) == [("postgres_changes", SUBSCRIBED, 1), ("resync", "cursor ahead", 1)]


def test_a_cursor_of_another_history(client: Client, hub: Hub, feeds: Feeds) -> None:
    feeds.add()
    feeds.add()
    client.join(activations(since=1, epoch=Feeds(epoch=2).wire_epoch()))
    feeds.turn(hub)
    assert told(client) == [("postgres_changes", SUBSCRIBED, 2), ("resync", "other history", 2)]


def test_an_epoch_without_a_cursor_means_live_only(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds, activations(epoch="0123456789abcdef"))


def test_a_lost_cursor_does_not_disturb_the_channels_other_bindings(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(3):
        feeds.add()
    client.join(activations(since=1), activations(since=9))
    feeds.turn(hub)
    frames = client.take()
    assert [frame["event"] for frame in frames] == [
        "phx_reply", "system", "system", "postgres_changes", "postgres_changes",
    ]  # fmt: skip
    assert [frame["payload"]["ids"] for frame in frames[3:]] == [[1], [1]]
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1, 2], 4, 3)]


def test_a_served_binding_that_fell_behind_what_is_kept_is_told(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    for _ in range(3):
        feeds.add()
    feeds.pruned[ALICE] = 2
    turn(hub, feeds)
    assert told(client) == [("resync", "cursor too old", 3)]


def test_a_hole_in_the_middle_of_a_page_is_told_to_those_before_it_alone(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(6):
        feeds.add()
    feeds.missing[ALICE] = {3}
    client.join(activations(since=0))
    client.join(activations(since=4), topic="realtime:behind it")
    feeds.turn(hub)
    frames = client.take()
    assert [
        (one["topic"], one["payload"]["message"], one["payload"]["feed_seq"])
        for one in frames
        if one["event"] == "system" and one["payload"]["extension"] == "resync"
    ] == [("realtime:sms", "cursor too old", 6)]
    changes = [one for one in frames if one["event"] == "postgres_changes"]
    assert {one["topic"] for one in changes} == {"realtime:behind it"}
    assert len(changes) == 2
    assert hub.gaps == {ALICE: 3}


def test_a_hole_at_the_end_of_a_page_is_told_and_what_follows_is_served(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    for _ in range(3):
        feeds.add()
    feeds.missing[ALICE] = {3}
    turn(hub, feeds)
    assert told(client) == [("resync", "cursor too old", 3)]
    assert hub.gaps == {ALICE: 3}
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1], 4, 3)]


def test_a_replay_that_is_overtaken_by_pruning_is_told_and_then_live(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(9):
        feeds.add()
    client.join(activations(since=0))
    feeds.turn(hub, most=3)
    feeds.pruned[ALICE] = 7
    turn(hub, feeds, most=3)
    frames = client.take()
    assert [one["event"] for one in frames] == [
        "phx_reply", "system", *["postgres_changes"] * 3, "system",
    ]  # fmt: skip
    assert frames[-1]["payload"]["message"] == "cursor too old"
    assert (frames[-1]["payload"]["feed_seq"], hub.gaps) == (9, {ALICE: 7})
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1], 10, 9)]


@pytest.mark.parametrize(("since", "message"), [(0, None), (1, "cursor ahead")])
def test_a_cursor_into_an_empty_feed(
    client: Client, hub: Hub, feeds: Feeds, since: int, message: str | None
) -> None:
    client.join(activations(since=since, epoch=feeds.wire_epoch()))
    feeds.turn(hub)
    resyncs = [] if message is None else [("resync", message, 0)]
    assert told(client) == [("postgres_changes", SUBSCRIBED, 0), *resyncs]
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1], 1, 0)]


def test_another_users_cursor_is_of_another_history(client: Client, hub: Hub, feeds: Feeds) -> None:
    for user in (ALICE, BOB):
        feeds.add(user)
    client.join(activations(since=1, epoch=feeds.wire_epoch(BOB)))
    feeds.turn(hub)
    assert told(client)[1:] == [("resync", "other history", 1)]


def test_bindings_of_one_channel_each_have_their_own_cursor(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(5):
        feeds.add()
    feeds.pruned[ALICE] = 1
    client.join(*[activations(since=since) for since in (0, 1, 4, 5, 6)], activations())
    feeds.turn(hub)
    frames = client.take()
    resyncs = [one["payload"] for one in frames if one["event"] == "system"][1:]
    assert len(resyncs) == 1, "one for each channel and read: all of it is to be read anew"
    changes = [
        (one["payload"]["ids"], one["payload"]["data"]["record"]["feed_prev"])
        for one in frames
        if one["event"] == "postgres_changes"
    ]
    assert changes == [([2], 1), ([2], 2), ([2], 3), ([2, 3], 4)]
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1, 2, 3, 4, 5, 6], 6, 5)]


# --- another history


def test_a_new_history_voids_every_cursor_once(hub: Hub, feeds: Feeds) -> None:
    alice, waiting = Client(hub), Client(hub)
    joined(alice, hub, feeds)
    waiting.join(activations(since=0))
    restored = Feeds(epoch=2)
    restored.add()
    hub.set_epoch(restored.epoch)
    assert hub.anyone_due
    turn(hub, restored)
    assert told(alice) == [("resync", "other history", 1)]
    assert told(waiting) == [
        ("postgres_changes", SUBSCRIBED, 1), ("resync", "other history", 1),
    ]  # fmt: skip
    hub.set_epoch(restored.epoch)
    restored.add()
    turn(hub, restored)
    assert alice.changes() == waiting.changes() == [([1], 2, 1)]


def test_whoever_was_served_is_due_when_the_history_changes(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    assert not hub.anyone_due
    hub.set_epoch(Feeds(epoch=2).epoch)
    assert hub.anyone_due


def test_the_same_history_again_voids_nothing(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    hub.set_epoch(feeds.epoch)
    turn(hub, feeds)
    assert client.take() == []


def test_a_history_that_ends_before_what_was_served_is_another_one(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    feeds.add()
    joined(client, hub, feeds)
    feeds.rows[ALICE].clear()
    turn(hub, feeds)
    assert told(client) == [("resync", "other history", 0)]
