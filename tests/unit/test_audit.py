"""The gateway's audit of itself: it agrees while all is well, and notices what is not."""

from collections.abc import Callable

import pytest

from gateway.audit import MOST, Audit
from gateway.hub import Hub
from tests.unit.gateway_parts import (
    ALICE,
    BOB,
    SUBSCRIBED,
    Client,
    Feeds,
    Frame,
    activations,
    joined,
    told,
    turn,
)


def audited(hub: Hub) -> Audit:
    """The audit that has begun of alice's first binding."""
    hub.begin_audit(lambda users: ALICE)
    assert hub.audit is not None
    return hub.audit


def agrees(hub: Hub, feeds: Feeds, audit: Audit) -> bool:
    """What the auditor would find now."""
    assert hub.catalog is not None
    [page] = feeds.read({ALICE: audit.after}, MOST)
    return audit.agrees(page, hub.catalog)


@pytest.mark.parametrize(
    "binding",
    [
        activations(),
        activations("INSERT"),
        activations(filter="status=eq.received"),
        activations(select=["status"]),
        {"event": "*", "schema": "public"},
    ],
)
def test_a_gateway_that_does_its_work_agrees_with_the_log(
    client: Client, hub: Hub, feeds: Feeds, binding: Frame
) -> None:
    joined(client, hub, feeds, binding)
    audit = audited(hub)
    for op in ("INSERT", "UPDATE", "DELETE"):
        for table in ("activations", "wallets"):
            for status in ("pending", "received"):
                feeds.add(op=op, table=table, status=status)
    turn(hub, feeds, most=3)
    assert audit.sent
    assert agrees(hub, feeds, audit)


def test_what_was_not_read_yet_is_not_held_against_it(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    audit = audited(hub)
    feeds.add()
    turn(hub, feeds)
    feeds.add()
    assert agrees(hub, feeds, audit)
    [page] = feeds.read({ALICE: audit.after})
    assert audit.looked_at(page) == 1


def test_a_busy_feed_is_looked_at_as_far_as_one_read_goes(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    audit = audited(hub)
    for _ in range(3 * MOST):
        feeds.add()
    turn(hub, feeds)
    assert len(audit.sent) == MOST + 1
    assert agrees(hub, feeds, audit)


def skip(audit: Audit) -> None:
    """As a mistake would that moves a binding on and sends nothing."""
    assert audit.binding.position is not None
    audit.binding.position += 1


@pytest.mark.parametrize(
    "mistake",
    [
        skip,
        lambda audit: audit.sent.append(2),
        lambda audit: audit.sent.reverse(),
        lambda audit: audit.sent.pop(0),
    ],
)
def test_a_change_that_is_left_out_doubled_or_out_of_order_is_noticed(
    client: Client, hub: Hub, feeds: Feeds, mistake: Callable[[Audit], object]
) -> None:
    joined(client, hub, feeds)
    audit = audited(hub)
    for _ in range(2):
        feeds.add()
    turn(hub, feeds)
    mistake(audit)
    feeds.add()
    turn(hub, feeds)
    assert not agrees(hub, feeds, audit)


def test_a_resync_ends_the_audit(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    audited(hub)
    for _ in range(3):
        feeds.add()
    feeds.pruned[ALICE] = 2
    turn(hub, feeds)
    assert told(client) == [("resync", "cursor too old", 3)]
    assert hub.audit is None


def test_a_client_that_leaves_ends_the_audit(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    joined(client, hub, feeds, topic="realtime:other")
    audited(hub)
    client.say("phx_leave", {}, "realtime:other")
    assert hub.audit is not None
    client.say("phx_leave", {})
    assert hub.audit is None


def test_nobody_is_audited_who_is_not_served_yet_or_whose_filter_has_patterns(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    hub.begin_audit(lambda users: ALICE)
    assert hub.audit is None, "nobody is there"
    client.join(activations())
    hub.begin_audit(lambda users: ALICE)
    assert hub.audit is None, "nobody was answered yet"
    feeds.turn(hub)
    assert told(client) == [("postgres_changes", SUBSCRIBED, 0)]
    client.say("phx_leave", {})
    client.take()
    joined(client, hub, feeds, activations(filter="status=like.rec%"))
    hub.begin_audit(lambda users: ALICE)
    assert hub.audit is None


def test_other_users_changes_are_not_noted(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    audit = audited(hub)
    feeds.add(BOB)
    turn(hub, feeds)
    assert audit.sent == []
