"""What the published clients make of a refusal for a limit: they wait, and are then served."""

import asyncio
from pathlib import Path

import pytest

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import gateway_process
from tests.integration.test_gateway_bad_input import counted
from tests.interop.conftest import User
from tests.interop.lives import NODE_20, NODE_24, life
from tests.interop.python_client import python_client
from tests.interop.raw import of_user, raw_socket
from tests.market import Market

REASON = "ConnectionRateLimitReached: Too many sockets of this user; at most 1"

# It reads a close code in a way that its own websockets library warns of.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:ConnectionClosed\.(code|reason) is deprecated:DeprecationWarning"
)


@pytest.mark.parametrize("kind", [NODE_20, NODE_24])
async def test_supabase_js_is_served_as_soon_as_there_is_a_place(
    kind: str, database: Database, market: Market, alice: User, tmp_path: Path
) -> None:
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    one = gateway_process(dsn, log, SONNETTE_MAX_SOCKETS_PER_USER="1")
    async with one as gateway, asyncio.TaskGroup() as tasks:

        async def first() -> None:
            async with raw_socket(gateway, alice.token, "2.0.0") as holder:
                await holder.subscribe("realtime:mine", alice.token, of_user(alice.id))
                held.set()
                # The other one has been refused, and refused again.
                await eventually(lambda: refused(2))

        async def refused(times: int) -> bool:
            return await counted(gateway, 'joins_refused_total{why="user sockets"}') >= times

        held = asyncio.Event()
        tasks.create_task(first())
        await held.wait()
        async with life(kind, gateway, alice) as client:  # which waits until it is served
            assert client.statuses.count("CHANNEL_ERROR") >= 2
            assert await counted(gateway, "sockets") == 1, "it kept its socket"


async def test_pypi_realtime_is_told_and_keeps_its_socket(
    database: Database, market: Market, alice: User, tmp_path: Path
) -> None:
    """It tries again after 30 s, too long for a test; with other codes it would after 1 s."""
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    async with (
        gateway_process(dsn, log, SONNETTE_MAX_SOCKETS_PER_USER="1") as gateway,
        raw_socket(gateway, alice.token, "2.0.0") as holder,
        python_client(gateway, alice.token, of_user(alice.id)) as client,
    ):
        await holder.subscribe("realtime:mine", alice.token, of_user(alice.id))
        await client.subscribe()
        told = await client.next_status()
        assert told.status == "CHANNEL_ERROR"
        assert REASON in (told.reason or "")
        assert await counted(gateway, "sockets") == 2
        assert client.client.is_connected
