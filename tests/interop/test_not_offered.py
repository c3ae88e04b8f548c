"""Broadcast and presence: a join may configure them, a push is answered "not offered", and the
channel lives on with every published client. `select` and the newer operators beside them.
"""

import asyncio
from collections.abc import Mapping

import pytest
from realtime import RealtimePostgresChangesListenEvent
from realtime.types import RealtimeAcknowledgementStatus, RealtimeChannelOptions

from tests.gateway_process import GatewayProcess, anon_key
from tests.interop.conftest import User
from tests.interop.node_client import Change as JsChange
from tests.interop.node_client import Pushed, System, node_client
from tests.interop.python_client import Change, python_client
from tests.interop.raw import of_user, raw_socket
from tests.market import Market
from tests.needs import needs_node

Push = dict[str, object]

BROADCAST: Push = {"type": "broadcast", "event": "typing", "payload": {"who": "alice"}}
TRACK: Push = {"type": "presence", "event": "track", "payload": {"online": True}}
UNTRACK: Push = {"type": "presence", "event": "untrack"}
BYTES: Push = {"type": "broadcast", "event": "typing", "bytes": True}
EVERYTHING_ON: Push = {
    "broadcast": {"ack": True, "self": True},
    "presence": {"key": "alice", "enabled": True},
}
NO_ACK: Push = {"broadcast": {"ack": False}}
SENTENCE = "is not offered here: only postgres_changes are"


@needs_node
@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_supabase_js_is_told_error_and_its_channel_lives_on(
    gateway: GatewayProcess, market: Market, alice: User, vsn: str
) -> None:
    pushes = [BROADCAST, TRACK, UNTRACK, *([BYTES] if vsn == "2.0.0" else [])]
    await pushed_and_still_served(gateway, market, alice, vsn, EVERYTHING_ON, pushes, "error")


@needs_node
@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_supabase_js_that_waits_for_no_acknowledgement_sees_no_error(
    gateway: GatewayProcess, market: Market, alice: User, vsn: str
) -> None:
    await pushed_and_still_served(gateway, market, alice, vsn, NO_ACK, [BROADCAST] * 3, "ok")


async def pushed_and_still_served(
    gateway: GatewayProcess,
    market: Market,
    user: User,
    vsn: str,
    config: Mapping[str, object],
    pushes: list[Push],
    answer: str,
) -> None:
    """Push, each time with this answer; then a change comes, and nothing else ever did."""
    async with node_client(
        "not_offered.mjs",
        url=gateway.url, key=anon_key(), token=user.token, config=config,
        binding=of_user(user.id), realtime={"vsn": vsn},
    ) as client:  # fmt: skip
        await client.until_served()
        for push in pushes:
            await client.order(**push)
            assert await client.next() == Pushed(answer)
        bought = await market.buy(user.id)
        change = await client.next()
        assert isinstance(change, JsChange), change
        assert change.new["id"] == str(bought)
        assert sum(isinstance(fact, System) for fact in client.seen) == 1


async def test_pypi_realtime_is_told_why_and_its_channel_lives_on(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    options: RealtimeChannelOptions = {
        "config": {
            "broadcast": {"ack": True, "self": True},
            "presence": {"key": "alice", "enabled": True},
            "private": False,
        }
    }
    async with python_client(gateway, alice.token, of_user(alice.id)) as client:
        client.channel.params = options
        await client.subscribe()
        await client.until_served()
        for event, payload in (
            ("broadcast", BROADCAST),
            ("presence", TRACK),
            ("presence", UNTRACK),
        ):
            told: asyncio.Queue[dict[str, object]] = asyncio.Queue()
            push = await client.channel.push(event, payload)
            push.receive(RealtimeAcknowledgementStatus.Error, told.put_nowait)
            async with asyncio.timeout(10):
                assert await told.get() == {"reason": f"{event} {SENTENCE}"}
        await client.channel.send_broadcast("typing", {"who": "alice"})
        await client.channel.track({"online": True})
        bought = await market.buy(alice.id)
        change = await client.next()
        assert isinstance(change, Change), change
        assert change.row["id"] == str(bought)
        assert client.channel.messages_waiting_for_ack == {}


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("event", ["broadcast", "presence"])
async def test_the_answer_to_the_letter(
    gateway: GatewayProcess, alice: User, vsn: str, event: str
) -> None:
    async with raw_socket(gateway, alice.token, vsn) as socket:
        topic = "realtime:mine"
        await socket.subscribe(topic, alice.token, of_user(alice.id))
        await socket.send("7", topic, event, {"type": event, "event": "x", "payload": {}})
        response = f'{{"status":"error","response":{{"reason":"{event} {SENTENCE}"}}}}'
        assert await socket.text() == socket.frame("7", topic, "phx_reply", response)


@needs_node
async def test_supabase_js_selects_columns_and_uses_the_newer_operators(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    binding = {
        **of_user(alice.id, "UPDATE"),
        "filter": 'status=not.in.(failed,cancelled),phone=match."^\\\\d{6,}$",'
        "service_code=ilike.W%,sms_code=is.null,operator=isdistinct.nobody",
        "select": ["status", "phone"],
    }
    async with node_client(
        "not_offered.mjs",
        url=gateway.url, key=anon_key(), token=alice.token, config=NO_ACK, binding=binding,
        realtime={},
    ) as client:  # fmt: skip
        await client.until_served()
        activation = await market.pending(alice.id)
        change = await client.next()
        assert isinstance(change, JsChange), change
        assert change.new.keys() == {"id", "status", "phone", "feed_seq", "feed_prev"}
        assert (change.new["id"], change.new["status"]) == (str(activation), "pending")
        assert change.old.keys() == {"id", "status", "phone"}


async def test_pypi_realtime_selects_columns(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with python_client(gateway, alice.token) as client:
        client.channel.on_postgres_changes(
            RealtimePostgresChangesListenEvent.Update,
            lambda payload: client.facts.put_nowait(Change(0, dict(payload["data"]))),
            schema="public", table="activations", select=["status"],
            filter=f"user_id=eq.{alice.id},status=like.pend%",
        )  # fmt: skip
        await client.subscribe()
        await client.until_served()
        await market.pending(alice.id)
        data = (await client.next_change()).data
        assert data["record"].keys() == {"id", "status", "feed_seq", "feed_prev"}
        assert [column["name"] for column in data["columns"]] == ["id", "status"]
