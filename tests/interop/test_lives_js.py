"""What befalls a supabase-js in its life, on each of its platforms: it is soon served again, and
misses nothing. Protocol: heartbeats, reconnecting, rejoining, leaving; both serializers.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from db.place import PORT
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process
from tests.interop.conftest import User
from tests.interop.lives import (
    BROWSER,
    NODE_20,
    NODE_24,
    STANDALONE,
    life,
    line_to,
    until_seen,
)
from tests.interop.node_client import Change, Left, Status
from tests.interop.python_client import python_client
from tests.interop.raw import of_user
from tests.market import Market
from tests.needs import needs_chromium, needs_newer_node, needs_node
from tests.proxy import proxy, to_socket

OUTAGE_S = 20
RETRIES = 10  # PyPI realtime's own 5 are over after 15 s
SLOW_S = 0.2

# PyPI realtime reads a close code in a way that its own websockets library warns of.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:ConnectionClosed\.(code|reason) is deprecated:DeprecationWarning"
)


@pytest.mark.parametrize("kind", [NODE_20, STANDALONE, NODE_24, BROWSER])
async def test_a_line_that_is_cut_and_one_that_is_reset(
    kind: str, gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with line_to(gateway) as line:
        line.delay_s = SLOW_S
        async with life(kind, line, alice) as client:
            for end in (line.cut, line.reset):
                end()
                await client.until_status("CHANNEL_ERROR")
                missed = await market.buy(alice.id)
                await until_seen(client, missed)
            assert client.statuses.count("SUBSCRIBED") == 3


@pytest.mark.parametrize("kind", [NODE_20, NODE_24, BROWSER])
async def test_a_line_that_carries_nothing_is_noticed_by_its_heartbeat(
    kind: str, gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with (
        line_to(gateway) as line,
        life(kind, line, alice, {"heartbeatIntervalMs": 1000}) as client,
    ):
        line.black_hole()
        missed = await market.buy(alice.id)
        assert (await client.until(Status)).status == "CHANNEL_ERROR"
        line.heal()
        await until_seen(client, missed)


@pytest.mark.parametrize("kind", [NODE_20, NODE_24])
async def test_a_channel_is_removed_and_subscribed_anew(
    kind: str, gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with life(kind, gateway, alice) as client:
        await until_seen(client, await market.buy(alice.id))
        await client.order(leave=True)
        assert (await client.until(Left)).answer == "ok"
        meanwhile = await market.buy(alice.id)
        await client.order(subscribe=True)
        await until_seen(client, meanwhile)
        assert client.statuses == ["SUBSCRIBED", "CLOSED", "SUBSCRIBED"]


@needs_node
@needs_newer_node
@needs_chromium
async def test_an_outage_of_20_seconds(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with AsyncExitStack() as stack:
        lives = [
            await stack.enter_async_context(life(kind, gateway, alice))
            for kind in ("node-20", "standalone", "node-24", "browser")
        ]
        python = await stack.enter_async_context(
            python_client(gateway, alice.token, of_user(alice.id), max_retries=RETRIES)
        )
        await python.subscribe()
        await python.until_served()

        assert await gateway.stop() == 0
        missed = await market.buy(alice.id)
        for client in lives:
            await client.until_status("CHANNEL_ERROR")
        await asyncio.sleep(OUTAGE_S)  # the clients' own timers are what is tested
        await gateway.start()
        for client in lives:
            await until_seen(client, missed)
        await python.until_served_again()
        last = await market.feed_seq(alice.id)
        await market.buy(alice.id)
        assert (await python.next_change()).row["feed_prev"] == last


@needs_node
async def test_both_serializers_at_once_tell_the_same(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with (
        life("node-20", gateway, alice) as second,
        life("serializer-1", gateway, alice) as first,
        python_client(gateway, alice.token, of_user(alice.id)) as python,
    ):
        await python.subscribe()
        await python.until_served()
        await market.received(alice.id, "404040")
        for client in (first, second):
            while len(client.changes) < 3:
                await client.until(Change)
        assert [one.new for one in first.changes] == [one.new for one in second.changes]
        assert [one.old for one in first.changes] == [one.old for one in second.changes]
        numbers = [(await python.next_change()).row["feed_seq"] for _ in range(3)]
        assert numbers == [one.new["feed_seq"] for one in first.changes]


@needs_node
async def test_a_database_that_answers_nothing_lets_no_join_time_out(
    database: Database, market: Market, alice: User, tmp_path: Path
) -> None:
    server = f"{database.server.socket_dir}/.s.PGSQL.{PORT}"
    async with proxy(to_socket(server)) as line:
        dsn = f"postgresql://sonnette_gateway@127.0.0.1:{line.port}/{database.name}"
        async with (
            gateway_process(dsn, tmp_path / "gateway.log") as gateway,
            life("node-20", gateway, alice) as client,
        ):
            await client.order(leave=True)
            await client.until(Left)
            line.black_hole()
            await client.order(subscribe=True)
            refused = await client.until_status("CHANNEL_ERROR")
            assert refused.reason == (
                "UnableToConnectToProject: the database cannot be reached; try again"
            )
            line.heal()
            missed = await market.buy(alice.id)
            await until_seen(client, missed)
