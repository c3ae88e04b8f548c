"""What befalls a PyPI `realtime` in its life. Without a cursor, feed_prev says what it missed.

Not here: a line that carries nothing, which this client notices by its WebSocket library alone,
after 40 s that cannot be shortened.
"""

import asyncio
from collections.abc import Callable

import pytest

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process
from tests.integration.test_gateway_bad_input import counted
from tests.interop.conftest import User
from tests.interop.lives import line_to
from tests.interop.python_client import PythonClient, Status, System, python_client
from tests.interop.raw import of_user, raw_socket
from tests.market import Market
from tests.proxy import Proxy

SLOWED_LIMIT_S = 20

# It reads a close code in a way that its own websockets library warns of.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:ConnectionClosed\.(code|reason) is deprecated:DeprecationWarning"
)


@pytest.mark.parametrize("end", [Proxy.cut, Proxy.reset])
async def test_a_line_that_ends_is_come_back_to(
    end: Callable[[Proxy], None], gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with (
        line_to(gateway) as line,
        python_client(line, alice.token, of_user(alice.id)) as client,
    ):
        await client.subscribe()
        await client.until_served()
        end(line)
        assert (await client.next_status()).status == "CHANNEL_ERROR"
        await client.until_served_again()
        last = await market.feed_seq(alice.id)
        await market.buy(alice.id)
        assert (await client.next_change()).row["feed_prev"] == last


async def test_a_second_join_of_a_topic_closes_nobody(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with python_client(gateway, alice.token, of_user(alice.id)) as client:
        await client.subscribe()
        await client.until_served()
        # It refuses to subscribe twice itself; this is what its rejoin without a leave looks like.
        config = {"postgres_changes": [of_user(alice.id)]}
        payload = {"config": config, "access_token": alice.token}
        topic = client.channel.topic
        await client.client.send(
            {"topic": topic, "event": "phx_join", "payload": payload, "ref": "99"}
        )
        assert await client.next() == System("Subscribed to PostgreSQL", "postgres_changes")
        await gateway.stop()
        assert (await client.next_status()).status == "CHANNEL_ERROR", "it was closed before"


async def test_a_channel_is_removed_and_subscribed_anew(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with python_client(gateway, alice.token, of_user(alice.id)) as client:
        await client.subscribe()
        await client.until_served()
        await client.channel.unsubscribe()
        assert await client.next_status() == Status("CLOSED")
        again = PythonClient(client.client, [of_user(alice.id)])
        await again.subscribe()
        await again.until_served()
        last = await market.feed_seq(alice.id)
        await market.buy(alice.id)
        assert (await again.next_change()).row["feed_prev"] == last


async def slowed(gateway: GatewayProcess, times: int) -> bool:
    """Whether at least so many handshakes were made to wait."""
    return await counted(gateway, "handshakes_slowed_total") >= times


async def test_a_client_that_comes_back_at_once_and_for_ever_is_slowed_and_nobody_else(
    database: Database, alice: User, bob: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("gateway") / "log"
    # Its join is too large a frame: the socket is closed, it opens the next and joins again.
    small = gateway_process(
        database.dsn("sonnette_gateway"), log, SONNETTE_MAX_FRAME_BYTES=str(len(alice.token))
    )
    async with (
        small as gateway,
        line_to(gateway) as line,
        python_client(line, alice.token, of_user(alice.id)) as client,
    ):
        joining = asyncio.ensure_future(client.subscribe())
        await eventually(lambda: slowed(gateway, 3), SLOWED_LIMIT_S)
        accepted = line.accepted
        async with raw_socket(gateway, bob.token, "2.0.0") as other:
            await other.send("1", "phoenix", "heartbeat", {})
            assert (await other.payload("phx_reply"))["status"] == "ok"
        assert not await slowed(gateway, 5), "the other client was made to wait, too"
        assert accepted <= 10, "sockets between two waits"
        joining.cancel()
