"""A second gateway takes over from the first, with the published clients on it, under writes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process
from tests.interop.conftest import User
from tests.interop.lives import NODE_20, NODE_24, life, line_to, until_seen
from tests.interop.python_client import (
    Change,
    Fact,
    PythonClient,
    Status,
    System,
    python_client,
)
from tests.interop.raw import of_user
from tests.market import Market
from tests.proxy import Dial, to_port

# It reads a close code in a way that its own websockets library warns of.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:ConnectionClosed\.(code|reason) is deprecated:DeprecationWarning"
)


def way_to(gateway: GatewayProcess) -> Dial:
    """Where a balancer leads that has taken this one in."""
    return to_port(urlsplit(gateway.url).port or 0)


@asynccontextmanager
async def buying(market: Market, user: User) -> AsyncIterator[list[UUID]]:
    """Activations of the user's, one after the other, for the length of a block."""
    bought: list[UUID] = []
    enough = asyncio.Event()

    async def buy() -> None:
        while not enough.is_set():
            await market.credit(user.id, "0.50")
            bought.append(await market.buy(user.id))
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(buy())
        yield bought
        enough.set()


@pytest.mark.parametrize("kind", [NODE_20, NODE_24])
async def test_supabase_js_misses_nothing_and_gets_nothing_twice(
    kind: str,
    gateway: GatewayProcess,
    database: Database,
    market: Market,
    alice: User,
    tmp_path: Path,
) -> None:
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "second.log"
    async with (
        gateway_process(dsn, log) as second,
        line_to(gateway) as line,
        life(kind, line, alice) as client,
    ):
        async with buying(market, alice) as bought:
            await eventually(lambda: len(bought) > 10)
            line.lead_to(way_to(second))
            assert await gateway.stop() == 0
            await client.until_status("CHANNEL_ERROR")
            await client.until_status("SUBSCRIBED")
            more = len(bought) + 10
            await eventually(lambda: len(bought) > more)
        await until_seen(client, bought[-1])
        told = [change.row["id"] for change in client.changes if change.type == "INSERT"]
        assert told == [str(one) for one in bought]


async def test_pypi_realtime_misses_nothing_and_gets_nothing_twice(
    gateway: GatewayProcess, database: Database, market: Market, alice: User, tmp_path: Path
) -> None:
    """Its cursor is the channel's `replay`, which it sends anew to the second one."""
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "second.log"
    async with (
        gateway_process(dsn, log) as second,
        line_to(gateway) as line,
        python_client(line, alice.token, of_user(alice.id), cursor={"since": 0}) as client,
    ):
        await client.subscribe()
        async with buying(market, alice) as bought:
            await eventually(lambda: len(bought) > 10)
            line.lead_to(way_to(second))
            assert await gateway.stop() == 0
            facts = await until(client, System)
            facts += await until(client, System)
            more = len(bought) + 10
            await eventually(lambda: len(bought) > more)
        while not _tells_of(facts[-1], bought[-1]):
            facts.append(await client.next())
    changes = [fact for fact in facts if isinstance(fact, Change)]
    told = [one.row["id"] for one in changes if one.data["type"] == "INSERT"]
    assert told == [str(one) for one in bought]
    numbers = [one.row["feed_seq"] for one in changes]
    assert [one.row["feed_prev"] for one in changes] == [0, *numbers[:-1]]
    [gone, *_refused] = [fact for fact in facts if isinstance(fact, Status) and fact.reason]
    assert "1012" in (gone.reason or "")


async def until(client: PythonClient, kind: type[Fact]) -> list[Fact]:
    """What comes, up to and with the next fact of that kind."""
    facts = [await client.next()]
    while not isinstance(facts[-1], kind):
        facts.append(await client.next())
    return facts


def _tells_of(fact: Fact, activation: UUID) -> bool:
    return isinstance(fact, Change) and fact.row["id"] == str(activation)
