"""Joins that cannot be answered, and tables that are no longer what was subscribed to."""

import pytest

from gateway import catalog
from gateway.hub import Hub
from tests.columns import table_row
from tests.unit.gateway_parts import (
    ACTIVATION,
    WALLETS,
    Client,
    Feeds,
    activations,
    joined,
    turn,
)


def test_who_waits_is_refused_when_nothing_can_be_read_and_who_is_served_is_not(
    hub: Hub, feeds: Feeds
) -> None:
    served, waiting = Client(hub), Client(hub)
    joined(served, hub, feeds)
    waiting.join(activations())
    hub.refuse_waiting("UnableToConnectToProject: away")
    assert waiting.refusal() == "UnableToConnectToProject: away"
    hub.refuse_waiting("UnableToConnectToProject: away")
    feeds.add()
    turn(hub, feeds)
    assert served.changes() == [([1], 1, 0)]
    assert waiting.take() == []
    waiting.join(activations(since=0))
    feeds.turn(hub)
    assert waiting.events() == ["phx_reply", "system", "postgres_changes"]


CHANGED = table_row("public.activations", "user_id", {"id": "int8", "status": "int4"}, key="id")
GROWN = table_row("public.activations", "user_id", {**ACTIVATION, "note": "text"}, key="id")


@pytest.mark.parametrize("tables", [[CHANGED, WALLETS], [WALLETS], []])
def test_a_filter_on_a_table_that_is_another_now_makes_its_channel_join_anew(
    client: Client, hub: Hub, feeds: Feeds, tables: list[catalog.Row]
) -> None:
    joined(client, hub, feeds, activations(filter="status=eq.pending"))
    hub.set_catalog(catalog.build(tables))
    [frame] = client.take()
    assert (frame["event"], frame["payload"]) == (
        "phx_error", {"code": 4004, "reason": "A subscribed table has changed; join again"},
    )  # fmt: skip
    feeds.add()
    turn(hub, feeds)
    assert client.take() == []


def test_a_new_column_disturbs_nobody_and_is_named_at_once(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds, activations(filter="status=eq.pending"))
    hub.set_catalog(catalog.build([GROWN, WALLETS]))
    feeds.add()
    turn(hub, feeds)
    [frame] = client.take()
    assert frame["payload"]["data"]["columns"][-1] == {"name": "note", "type": "text"}


def test_a_selected_column_that_is_gone_makes_its_channel_join_anew(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds, activations(select=["price"]))
    joined(client, hub, feeds, activations(select=["status"]), topic="realtime:other")
    hub.set_catalog(catalog.build([CHANGED, WALLETS]))
    [frame] = client.take()
    assert (frame["event"], frame["topic"]) == ("phx_error", "realtime:sms")


def test_without_a_filter_a_changed_column_is_none_of_the_channels_business(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    hub.set_catalog(catalog.build([CHANGED]))
    assert client.take() == []
