"""Cursors that cannot be served, and histories that are others: an explicit resync, never a gap."""

from gateway.hub import Hub
from tests.unit.gateway_parts import (
    ALICE,
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
