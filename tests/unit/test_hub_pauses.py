"""Delivery in small steps: between patterns there are pauses, in which clients come and go."""

from db.feed import Page
from gateway.hub import Hub
from tests.unit.gateway_parts import ALICE, Client, Feeds, activations, hub_of, joined, turn

PATTERNS = [activations(filter="status=like.%e%,status=like.p%")] * 8


def test_a_look_at_many_patterns_pauses_and_a_plain_one_does_not(hub: Hub, feeds: Feeds) -> None:
    plain, patterns = Client(hub), Client(hub)
    joined(plain, hub, feeds)
    feeds.add()
    assert list(hub.delivery(page(hub, feeds))) == []
    joined(patterns, hub, feeds, *PATTERNS)
    feeds.add()
    assert list(hub.delivery(page(hub, feeds))) == [None]
    assert patterns.changes() == [(list(range(1, 9)), 2, 1)]


def test_who_leaves_in_a_pause_gets_nothing_more_and_who_stays_gets_each_change_once(
    hub: Hub, feeds: Feeds
) -> None:
    leaves, stays = Client(hub), Client(hub)
    joined(leaves, hub, feeds, *PATTERNS)
    joined(stays, hub, feeds, *PATTERNS)
    feeds.add()
    feeds.add()
    for pause, _ in enumerate(hub.delivery(page(hub, feeds))):
        if pause == 0:
            leaves.session.close()
    assert leaves.take() == []
    assert [seq for _, seq, _ in stays.changes()] == [1, 2]


def test_who_joins_in_a_pause_is_served_by_the_next_read(hub: Hub, feeds: Feeds) -> None:
    first, late = Client(hub), Client(hub)
    joined(first, hub, feeds, *PATTERNS)
    feeds.add()
    for _pause in hub.delivery(page(hub, feeds)):
        late.join(activations(since=0))
    assert late.take() == []
    turn(hub, feeds)
    assert late.events() == ["phx_reply", "system", "postgres_changes"]
    assert [seq for _, seq, _ in first.changes()] == [1]


def test_all_leave_in_a_pause_and_nobody_is_due() -> None:
    feeds = Feeds()
    hub = hub_of(feeds)
    client = Client(hub)
    joined(client, hub, feeds, *PATTERNS)
    feeds.add()
    for _pause in hub.delivery(page(hub, feeds)):
        client.session.close()
    assert not hub.anyone_due
    assert client.take() == []


def page(hub: Hub, feeds: Feeds) -> Page:
    """What a read finds for alice."""
    hub.mark(ALICE)
    [found] = feeds.read(hub.take_due(10))
    return found


def test_who_was_full_and_reads_in_a_pause_gets_nothing_out_of_order(
    hub: Hub, feeds: Feeds
) -> None:
    one, other = Client(hub), Client(hub)
    joined(one, hub, feeds, *PATTERNS)
    joined(other, hub, feeds, *PATTERNS)
    feeds.add()
    feeds.add()
    one.sent.full = True
    for _pause in hub.delivery(page(hub, feeds)):
        one.sent.read()
        one.session.drained()
    turn(hub, feeds)
    assert [seq for _, seq, _ in one.changes()] == [1, 2]
    assert [seq for _, seq, _ in other.changes()] == [1, 2]
