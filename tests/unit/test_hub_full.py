"""A client that has much to read: its changes wait in the log, and nobody else waits for it."""

from itertools import pairwise

import pytest

from gateway.hub import Hub
from tests.unit.gateway_parts import ALICE, Client, Feeds, activations, joined, turn


@pytest.fixture
def other(hub: Hub) -> Client:
    return Client(hub)


def seqs(client: Client) -> list[int]:
    """The numbers of the changes since the last call, each of which follows the one before."""
    changes = client.changes()
    assert all(after[2] == before[1] for before, after in pairwise(changes))
    return [seq for _, seq, _ in changes]


def ring(hub: Hub, feeds: Feeds) -> None:
    """As after a commit of alice's; then as many reads as it takes."""
    hub.ring(f"{ALICE}:{len(feeds.rows[ALICE])}")
    while hub.anyone_due:
        feeds.turn(hub, most=2)


def test_what_a_full_client_is_not_sent_comes_once_it_has_read(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    client.sent.full = True
    for _ in range(5):
        feeds.add()
    ring(hub, feeds)
    assert client.take() == []
    client.sent.full = False
    client.session.drained()
    turn(hub, feeds, most=2)
    assert seqs(client) == [1, 2, 3, 4, 5]


def test_while_nobody_can_take_anything_nothing_is_read(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    client.sent.full = True
    feeds.add()
    hub.ring(f"{ALICE}:1")
    assert hub.take_due(500) == {}
    assert not hub.anyone_due
    assert ALICE not in hub.positions(), "the sweep must not take it for a lost ring"


def test_another_client_of_the_user_gets_each_change_meanwhile(
    client: Client, other: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    joined(other, hub, feeds)
    client.sent.full = True
    for _ in range(5):
        feeds.add()
        ring(hub, feeds)
    assert seqs(other) == [1, 2, 3, 4, 5]
    client.sent.full = False
    client.session.drained()
    turn(hub, feeds)
    assert seqs(client) == [1, 2, 3, 4, 5]
    assert seqs(other) == []


def test_one_that_becomes_full_in_the_midst_of_a_page_misses_nothing(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    for _ in range(4):
        feeds.add()
    hub.mark(ALICE)
    [page] = feeds.read(hub.take_due(500))
    client.sent.full_after = 1
    hub.deliver(page)
    assert seqs(client) == [1]
    client.sent.full_after = None
    client.sent.read()
    client.session.drained()
    turn(hub, feeds)
    assert seqs(client) == [2, 3, 4]


def test_a_join_on_a_full_socket_is_answered_and_its_changes_wait(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    for _ in range(3):
        feeds.add()
    client.sent.full = True
    joined(client, hub, feeds, activations(since=0))
    turn(hub, feeds)
    assert client.take() == []
    client.sent.full = False
    client.session.drained()
    turn(hub, feeds)
    assert seqs(client) == [1, 2, 3]


def test_a_long_replay_takes_turns_with_what_is_new(
    client: Client, other: Client, hub: Hub, feeds: Feeds
) -> None:
    """The live one is served at every second read, however far behind the other is."""
    for _ in range(100):
        feeds.add()
    joined(other, hub, feeds)
    client.join(activations(since=0))
    feeds.turn(hub, most=10)
    for _ in range(3):
        feeds.add()
        hub.ring(f"{ALICE}:{len(feeds.rows[ALICE])}")
        feeds.turn(hub, most=10)
        feeds.turn(hub, most=10)
        assert len(other.sent) == 1
        assert seqs(other) == [len(feeds.rows[ALICE])]
    while hub.anyone_due:
        feeds.turn(hub, most=10)
    del client.sent[:2]
    assert seqs(client) == list(range(1, 104))
    assert seqs(other) == []
