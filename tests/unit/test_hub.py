"""Who is due and who gets what: positions, feed_prev, rings, and pages cut by their limit."""

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
    token,
    told,
    turn,
)

# --- positions and feed_prev


def test_without_a_cursor_only_what_follows_is_sent(client: Client, hub: Hub, feeds: Feeds) -> None:
    feeds.add()
    joined(client, hub, feeds)
    feeds.add()
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1], 2, 1), ([1], 3, 2)]


def test_with_a_cursor_everything_behind_it_is_sent(client: Client, hub: Hub, feeds: Feeds) -> None:
    for _ in range(4):
        feeds.add()
    joined(client, hub, feeds, activations(since=2, epoch=feeds.wire_epoch()))
    assert client.changes() == [([1], 3, 2), ([1], 4, 3)]
    joined(client, hub, feeds, activations(since=0), topic="realtime:all")
    assert client.changes() == [([2], 1, 0), ([2], 2, 1), ([2], 3, 2), ([2], 4, 3)]


def test_a_cursor_at_the_end_is_served_with_what_follows(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    feeds.add()
    joined(client, hub, feeds, activations(since=1))
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([1], 2, 1)]


def test_feed_prev_is_what_was_sent_before_on_this_very_binding(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds, activations("INSERT"), activations("UPDATE"), activations())
    feeds.add(op="INSERT")
    feeds.add(op="UPDATE")
    feeds.add(op="UPDATE", table="wallets")
    feeds.add(op="DELETE")
    feeds.add(op="INSERT")
    turn(hub, feeds)
    assert client.changes() == [
        ([1, 3], 1, 0),
        ([2], 2, 0), ([3], 2, 1),
        ([3], 4, 2),
        ([1], 5, 1), ([3], 5, 4),
    ]  # fmt: skip


def test_bindings_that_overlap_get_one_frame_with_all_their_ids(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    narrow = [activations(filter=f"status=eq.{status}") for status in ("pending", "other")]
    joined(client, hub, feeds, activations(), activations(), {"schema": "*"}, *narrow)
    feeds.add(status="pending")
    turn(hub, feeds)
    assert client.changes() == [([1, 2, 3, 4], 1, 0)]


def test_each_channel_gets_a_frame_of_its_own_with_its_own_ids(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds, topic="realtime:a")
    joined(client, hub, feeds, activations("INSERT"), activations("UPDATE"), topic="realtime:b")
    feeds.add(op="UPDATE")
    turn(hub, feeds)
    frames = client.take()
    assert [(frame["topic"], frame["payload"]["ids"]) for frame in frames] == [
        ("realtime:a", [1]), ("realtime:b", [3]),
    ]  # fmt: skip


def test_bindings_with_cursors_of_their_own_each_get_just_what_they_miss(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(3):
        feeds.add()
    joined(client, hub, feeds, activations(since=2), activations(), activations(since=0))
    feeds.add()
    turn(hub, feeds)
    assert client.changes() == [([3], 1, 0), ([3], 2, 1), ([1, 3], 3, 2), ([1, 2, 3], 4, 3)]


def test_a_filter_does_not_hold_the_position_back(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds, activations(filter="status=eq.received"))
    for _ in range(5):
        feeds.add(status="pending")
    turn(hub, feeds)
    assert client.take() == []
    assert hub.positions() == {ALICE: 5}
    feeds.add(status="received")
    turn(hub, feeds)
    assert client.changes() == [([1], 6, 0)]


def test_pages_cut_by_the_limit_are_continued_until_all_is_sent(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(7):
        feeds.add()
    client.join(activations(since=0))
    hub.mark_all()
    feeds.turn(hub, most=3)
    assert client.events() == ["phx_reply", "system"] + ["postgres_changes"] * 3
    assert hub.anyone_due
    feeds.turn(hub, most=3)
    assert client.changes() == [([1], 4, 3), ([1], 5, 4), ([1], 6, 5)]
    feeds.turn(hub, most=3)
    assert client.changes() == [([1], 7, 6)]
    assert not hub.anyone_due


def test_who_joins_live_while_another_catches_up_gets_nothing_of_the_past(
    hub: Hub, feeds: Feeds
) -> None:
    slow, live = Client(hub), Client(hub)
    for _ in range(5):
        feeds.add()
    slow.join(activations(since=0))
    feeds.turn(hub, most=2)
    live.join(activations())
    turn(hub, feeds, most=2)
    assert told(live) == [("postgres_changes", SUBSCRIBED, 5)]
    feeds.add()
    turn(hub, feeds)
    assert live.changes() == [([1], 6, 5)]


# --- due


def test_a_ring_marks_those_who_are_behind_it_and_nobody_else(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    feeds.add()
    for payload in (f"{ALICE}:0", f"{BOB}:9", f"{BOB}:9,{BOB}:10"):
        assert hub.ring(payload)
        assert not hub.anyone_due
    assert hub.ring(f"{BOB}:9,{ALICE}:1")
    assert hub.take_due(10) == {ALICE: 0}
    assert not hub.anyone_due


def test_a_ring_that_was_late_or_doubled_sends_nothing_twice(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    feeds.add()
    hub.ring(f"{ALICE}:1")
    feeds.turn(hub)
    hub.ring(f"{ALICE}:1")
    assert not hub.anyone_due
    turn(hub, feeds)
    assert client.changes() == [([1], 1, 0)]


@pytest.mark.parametrize(
    "payload", ["*", "", "junk", f"{ALICE}", f"{ALICE}:", f"{ALICE}:x", f"{ALICE}:-1", ":", ",",
                f"{ALICE}:" + "9" * 5000, f"{ALICE}:²"],
)  # fmt: skip
def test_an_unreadable_ring_says_so_and_harms_nobody(
    client: Client, hub: Hub, feeds: Feeds, payload: str
) -> None:
    joined(client, hub, feeds)
    assert not hub.ring(payload)


def test_a_canary_is_nobodys_ring(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    assert hub.ring("~gateway:7")
    assert hub.ring("~gateway on a host:4711:7")
    assert not hub.anyone_due


def urgent(hub: Hub) -> bool:
    return hub.urgent


def test_who_joins_can_wait_for_others_who_join_and_a_change_for_nobody(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    client.join(activations())
    assert (hub.anyone_due, urgent(hub)) == (True, False)
    turn(hub, feeds)
    feeds.add()
    hub.ring(f"{ALICE}:1")
    assert urgent(hub)
    Client(hub).join(activations(), access_token=token(BOB))
    assert urgent(hub)
    assert set(hub.take_due(10)) == {ALICE, BOB}
    assert not urgent(hub)
    for mark in (hub.mark_all, lambda: hub.put_back([ALICE])):
        mark()
        assert urgent(hub)
        hub.take_due(10)


def test_what_one_read_could_not_take_waits_for_nobody(hub: Hub, feeds: Feeds) -> None:
    for user in (ALICE, BOB):
        Client(hub).join(activations(), access_token=token(user))
    hub.take_due(1)
    assert urgent(hub)


def test_the_users_are_taken_in_the_order_in_which_they_became_due(hub: Hub, feeds: Feeds) -> None:
    for user in (BOB, ALICE):
        client = Client(hub)
        client.join(activations(), access_token=token(user))
    hub.mark(BOB)
    assert list(hub.take_due(1)) == [BOB]
    assert list(hub.take_due(5)) == [ALICE]
    assert hub.take_due(5) == {}


def test_after_a_failed_read_all_who_are_still_there_are_due_again(hub: Hub, feeds: Feeds) -> None:
    alice, bob = Client(hub), Client(hub)
    alice.join(activations(since=0))
    bob.join(activations(), access_token=token(BOB))
    due = hub.take_due(10)
    bob.session.close()
    hub.put_back(due)
    assert hub.take_due(10) == {ALICE: 0}


def test_positions_leave_out_those_who_are_due_or_have_none_yet(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    assert hub.positions() == {ALICE: 0}
    hub.mark(ALICE)
    assert hub.positions() == {}
    feeds.turn(hub)
    client.join(activations(), topic="realtime:new")
    hub.take_due(10)
    assert hub.positions() == {}
