"""One gateway stops and another takes over, under writes: nothing is missed or comes twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from tests.db_helpers import ALICE, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import Follower, cargo, follower
from tests.integration.test_gateway_failures import all_seen, rows_more, writing
from tests.integration.test_gateway_slow import MANY
from tests.slow import slow_wire

FOLLOWERS = 5
SHARED = {"SONNETTE_GATEWAY_REUSE_PORT": "1"}


@asynccontextmanager
async def followers(gateway: GatewayProcess, user: UUID) -> AsyncIterator[list[Follower]]:
    """Some clients of one user's, all served."""
    async with AsyncExitStack() as stack:
        some = [await stack.enter_async_context(follower(gateway, user)) for _ in range(FOLLOWERS)]
        await eventually(lambda: all(one.sockets for one in some))
        yield some


async def moved(some: list[Follower], written: list[int]) -> None:
    """Each is on its second socket, and follows there."""
    await eventually(lambda: all(one.sockets >= 2 for one in some))
    await rows_more(written, 20)


async def test_a_second_gateway_on_another_port_takes_over(
    gateway: GatewayProcess, database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    user, dsn = uuid4(), database.dsn("sonnette_gateway")
    async with (
        gateway_process(dsn, tmp_path / "second.log") as second,
        followers(gateway, user) as some,
    ):
        async with writing(cargo_db, user) as written:
            await rows_more(written, 20)
            for one in some:
                one.move_to(second)
            assert await gateway.stop() == 0
            await moved(some, written)
        for one in some:
            await all_seen(one, written)
            assert one.sockets == 2


async def test_a_second_gateway_on_the_same_port_takes_over_and_nobody_is_turned_away(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    user, dsn = uuid4(), database.dsn("sonnette_gateway")
    async with gateway_process(dsn, tmp_path / "first.log", **SHARED) as first:
        second = GatewayProcess(dsn, tmp_path / "second.log", SHARED, first.address)
        try:
            async with followers(first, user) as some:
                async with writing(cargo_db, user) as written:
                    await rows_more(written, 20)
                    await second.start_beside()
                    assert await first.stop() == 0
                    await rows_more(written, 20)
                for one in some:
                    await all_seen(one, written)
            assert await second.problems() == []
            assert await second.stop() == 0
        finally:
            if second.running:
                second.kill()


@pytest.mark.parametrize("again", range(3))
async def test_one_that_is_restarted_on_its_port_is_resumed(
    gateway: GatewayProcess, cargo_db: Connection, again: int
) -> None:
    user = uuid4()
    async with followers(gateway, user) as some:
        async with writing(cargo_db, user) as written:
            await rows_more(written, 10 * again + 5)
            assert await gateway.stop() == 0
            await gateway.start()
            await moved(some, written)
        for one in some:
            await all_seen(one, written)


async def test_without_the_setting_a_second_one_is_told_that_the_port_is_in_use(
    gateway: GatewayProcess, database: Database, tmp_path: Path
) -> None:
    log, dsn = tmp_path / "second.log", database.dsn("sonnette_gateway")
    second = GatewayProcess(dsn, log, {}, gateway.address)
    await second.start_unready()  # it is the first that answers
    await eventually(lambda: not second.running)
    sentence = f"port {gateway.address.port} is in use; set SONNETTE_GATEWAY_LISTEN"
    assert sentence in second.logged()


async def test_who_has_much_to_read_is_told_behind_it(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    """It reads on after the gateway has said goodbye, in order, and then that goodbye."""
    await cargo_db.execute(MANY, (ALICE, 10_000, 1, 200))
    async with slow_wire(gateway) as slow:
        await slow.subscribe(token(ALICE), cargo(since=0))
        assert (await slow.change()).seq == 1
        stopping = asyncio.ensure_future(gateway.stop())
        seen = [1]
        with suppress(ConnectionClosed):
            while True:
                seen.append((await slow.change()).seq)
        assert seen == list(range(1, len(seen) + 1))
        assert slow.connection.close_code == 1012
        assert await stopping == 0
