"""Joins and leaves in the middle of a read, channels over several users, and everything at once."""

import random

import pytest

from gateway.hub import Hub
from tests.unit.gateway_parts import (
    ALICE,
    BOB,
    SUBSCRIBED,
    Client,
    Feeds,
    activations,
    deliver,
    hub_of,
    joined,
    role_token,
    told,
    turn,
)

# --- in the middle of a read


def test_who_joins_during_a_read_is_served_by_the_next_one(hub: Hub, feeds: Feeds) -> None:
    first, second = Client(hub), Client(hub)
    feeds.add()
    first.join(activations())
    pages = feeds.read(hub.take_due(10))
    second.join(activations(since=0))
    feeds.add()
    deliver(hub, pages)
    assert told(first) == [("postgres_changes", SUBSCRIBED, 1)]
    assert second.take() == []
    assert hub.anyone_due
    feeds.turn(hub)
    assert first.changes() == [([1], 2, 1)]
    assert second.events() == ["phx_reply", "system", "postgres_changes", "postgres_changes"]


def test_a_cursor_newer_than_the_read_in_flight_is_not_called_ahead(hub: Hub, feeds: Feeds) -> None:
    """Another process, or another gateway, can give a number out before our read is back."""
    first, second = Client(hub), Client(hub)
    joined(first, hub, feeds)
    hub.mark(ALICE)
    pages = feeds.read(hub.take_due(10))
    feeds.add()
    second.join(activations(since=1))
    deliver(hub, pages)
    turn(hub, feeds)
    assert told(second) == [("postgres_changes", SUBSCRIBED, 1)]


def test_who_leaves_during_a_read_gets_nothing_of_it(hub: Hub, feeds: Feeds) -> None:
    stays, leaves = Client(hub), Client(hub)
    joined(stays, hub, feeds)
    joined(leaves, hub, feeds)
    feeds.add()
    hub.mark(ALICE)
    pages = feeds.read(hub.take_due(10))
    leaves.session.close()
    deliver(hub, pages)
    assert stays.changes() == [([1], 1, 0)]
    assert leaves.take() == []


def test_the_last_one_leaves_during_a_read(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    hub.mark(ALICE)
    pages = feeds.read(hub.take_due(10))
    client.session.close()
    deliver(hub, pages)
    assert not hub.anyone_due


def test_who_leaves_and_joins_again_during_a_read_is_served_by_the_next_one(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    feeds.add()
    hub.mark(ALICE)
    pages = feeds.read(hub.take_due(10))
    client.join(activations(since=0))
    deliver(hub, pages)
    assert client.take() == []
    feeds.turn(hub)
    assert client.events() == ["phx_reply", "system", "postgres_changes"]


def test_a_ring_during_a_read_is_not_lost(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    hub.mark(ALICE)
    pages = feeds.read(hub.take_due(10))
    feeds.add()
    hub.ring(f"{ALICE}:1")
    deliver(hub, pages)
    assert hub.anyone_due
    feeds.turn(hub)
    assert client.changes() == [([1], 1, 0)]


# --- service_role over several users


def test_a_channel_over_two_users_is_answered_when_both_are_read(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    feeds.add(BOB)
    of_both = [activations(filter=f"user_id=eq.{user}") for user in (ALICE, BOB)]
    client.join(*of_both, access_token=role_token("service_role"))
    first, second = feeds.read(hub.take_due(10))
    hub.deliver(first)
    assert client.take() == []
    hub.deliver(second)
    reply, *systems = [frame["payload"] for frame in client.take()]
    assert len(reply["response"]["postgres_changes"]) == 2
    assert [(one["user_id"], one["feed_seq"], one["epoch"]) for one in systems] == [
        (ALICE, 0, feeds.wire_epoch(ALICE)), (BOB, 1, feeds.wire_epoch(BOB)),
    ]  # fmt: skip
    feeds.add(ALICE)
    feeds.add(BOB)
    turn(hub, feeds)
    assert sorted(client.changes()) == [([1], 1, 0), ([2], 2, 1)]


def test_what_is_lost_before_the_other_user_is_read_is_still_told(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    client.join(
        activations(filter=f"user_id=eq.{ALICE}", since=9),
        activations(filter=f"user_id=eq.{BOB}", since=0),
        access_token=role_token("service_role"),
    )
    first, second = feeds.read(hub.take_due(10))
    assert first.user == ALICE
    hub.deliver(first)
    hub.deliver(second)
    systems = [frame["payload"] for frame in client.take() if frame["event"] == "system"]
    assert [(one["extension"], one["message"], one["user_id"]) for one in systems] == [
        ("postgres_changes", SUBSCRIBED, ALICE),
        ("postgres_changes", SUBSCRIBED, BOB),
        ("resync", "cursor ahead", ALICE),
    ]


def test_a_change_that_comes_before_the_other_user_is_read_waits_for_the_answer(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    feeds.add(ALICE)
    client.join(
        activations(filter=f"user_id=eq.{ALICE}", since=0),
        activations(filter=f"user_id=eq.{BOB}"),
        access_token=role_token("service_role"),
    )
    first = feeds.read(hub.take_due(1))
    deliver(hub, first)
    assert client.take() == []
    turn(hub, feeds)
    assert client.events() == ["phx_reply", "system", "system", "postgres_changes"]


def test_the_number_in_system_is_that_of_the_first_read_of_each_user(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    """What happens to one user until the other is read is delivered, and follows that number."""
    of_both = [activations(filter=f"user_id=eq.{user}") for user in (ALICE, BOB)]
    client.join(*of_both, access_token=role_token("service_role"))
    first = feeds.read(hub.take_due(1))
    assert [page.user for page in first] == [ALICE]
    deliver(hub, first)
    feeds.add(ALICE)
    turn(hub, feeds)
    said = [frame["payload"] for frame in client.take()[1:]]
    assert [one["feed_seq"] for one in said[:2]] == [0, 0]
    record = said[2]["data"]["record"]
    assert (record["feed_seq"], record["feed_prev"]) == (1, 0)


# --- everything at once


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_each_binding_gets_every_change_once_and_in_order(seed: int) -> None:
    """Joins, leaves, rings, lost rings and reads in any order, pages of any size."""
    rng = random.Random(seed)
    feeds = Feeds()
    hub = hub_of(feeds)
    client = Client(hub)
    seen: dict[str, int] = {}
    for step in range(300):
        topic = f"realtime:{rng.randrange(4)}"
        match rng.randrange(6):
            case 0:
                client.join(activations(since=seen.get(topic, 0)), topic=topic)
            case 1:
                client.say("phx_leave", {}, topic)
            case 2 | 3:
                feeds.add(status=str(step))
                if rng.random() < 0.7:
                    hub.ring(f"{ALICE}:{len(feeds.rows[ALICE])}")
            case _:
                pages = feeds.read(hub.take_due(10), most=rng.randrange(1, 4))
                if rng.random() < 0.3:
                    client.join(activations(since=seen.get(topic, 0)), topic=topic)
                    feeds.add()
                deliver(hub, pages)
        follow(client, seen)
    for topic in seen:
        client.join(activations(since=seen[topic]), topic=topic)
    turn(hub, feeds, most=2)
    follow(client, seen)
    assert set(seen.values()) == {len(feeds.rows[ALICE])}


def follow(client: Client, seen: dict[str, int]) -> None:
    """As a client does: keep each topic's cursor, and insist that nothing is left out."""
    for frame in client.take():
        if frame["event"] == "system":
            assert frame["payload"]["extension"] == "postgres_changes"
            seen.setdefault(frame["topic"], 0)
        if frame["event"] == "postgres_changes":
            record = frame["payload"]["data"]["record"]
            assert record["feed_prev"] == seen[frame["topic"]]
            assert record["feed_seq"] == seen[frame["topic"]] + 1
            seen[frame["topic"]] = record["feed_seq"]
