"""What fails while clients listen: connections, Postgres, the gateway itself. Nothing is lost."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from db import embedded, migrate
from db.embedded import Server
from tests.db_helpers import ALICE, BOB, Connection, value
from tests.facts import eventually, wait_until
from tests.fixtures.postgres import Database, reachable_folder
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import CARGO, Follower, cargo, follower, wire
from tests.watching import line, through

GATEWAY = "sonnette gateway"
LISTENER = "sonnette gateway listener"


@asynccontextmanager
async def writing(db: Connection, user: object, after: int = 0) -> AsyncIterator[list[int]]:
    """A row every few milliseconds for the length of a block; the list of what was committed."""
    written: list[int] = []
    enough = asyncio.Event()

    async def write() -> None:
        while not enough.is_set():
            number = after + len(written) + 1
            await db.execute("insert into cargo values (%s, %s)", (number, user))
            written.append(number)
            await asyncio.sleep(0.002)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        yield written
        enough.set()


async def rows_more(written: list[int], count: int) -> None:
    enough = len(written) + count
    await eventually(lambda: len(written) >= enough)


async def caught_up(one: Follower, count: int) -> None:
    await eventually(lambda: len(one.numbers) == count, 30)


async def kill_backend(database: Database, name: str) -> None:
    """pg_terminate_backend for the gateway's connection of that name; it is really another then."""
    async with await psycopg.AsyncConnection.connect(database.dsn(), autocommit=True) as db:
        find = (
            "select pid from pg_stat_activity"
            " where application_name = %s and datname = current_database()"
        )
        old = await value(db, find, name)
        assert old is not None
        await db.execute("select pg_terminate_backend(%s)", (old,))

        async def replaced() -> bool:
            return await value(db, find, name) not in (None, old)

        await eventually(replaced)


async def all_seen(one: Follower, written: list[int]) -> None:
    await eventually(lambda: len(one.rows) >= len(written), 20)
    assert [row["id"] for row in one.rows] == written
    assert one.numbers == list(range(1, len(written) + 1))


@pytest.mark.parametrize("name", [LISTENER, GATEWAY])
async def test_a_killed_connection_loses_nothing_and_doubles_nothing(
    gateway: GatewayProcess, database: Database, cargo_db: Connection, name: str
) -> None:
    user = uuid4()
    async with follower(gateway, user) as one:
        async with writing(cargo_db, user) as written:
            for _ in range(3):
                await rows_more(written, 20)
                await kill_backend(database, name)
        await all_seen(one, written)
        assert one.sockets == 1, "its clients notice nothing"


async def test_what_was_committed_while_nobody_listened_is_delivered(
    gateway: GatewayProcess, database: Database, cargo_db: Connection
) -> None:
    """The ring of this change is heard by nobody: the reconnect itself must find it."""
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        await cargo_db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            (LISTENER,),
        )
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert (await alice.change()).seq == 1


async def test_a_gateway_that_is_killed_and_started_again_is_resumed(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    user = uuid4()
    async with follower(gateway, user) as one:
        async with writing(cargo_db, user) as written:
            await eventually(lambda: len(one.numbers) > 20)
            gateway.kill()
            await gateway.start()
            await eventually(lambda: one.sockets > 1)
        await all_seen(one, written)


async def test_two_gateways_send_the_same(
    gateway: GatewayProcess, database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    user = uuid4()
    dsn = database.dsn("sonnette_gateway")
    async with (
        gateway_process(dsn, tmp_path / "second.log") as second,
        follower(gateway, user) as one,
        follower(second, user) as other,
    ):
        async with writing(cargo_db, user) as written:
            await eventually(lambda: len(written) > 50)
        await all_seen(one, written)
        await all_seen(other, written)


async def test_sigterm_closes_with_1012_and_ends_the_process(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as alice, wire(gateway, vsn="1.0.0") as bob:
        await alice.subscribe(token(ALICE), cargo())
        await bob.subscribe(token(BOB), cargo())
        assert await gateway.stop() == 0
        assert await alice.closed() == (1012, "restart")
        assert await bob.closed() == (1012, "restart")
    assert "Traceback" not in gateway.logged()


async def test_sigterm_waits_for_nobody_who_does_not_answer(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    """One has only opened the port, one never reads, and Postgres says nothing to three questions.

    The process is gone in 10 s all the same.
    """
    async with (
        line(database) as dead,
        gateway_process(through(dead, database), tmp_path / "gateway.log") as gateway,
        wire(gateway) as frozen,
        wire(gateway) as waiting,
    ):
        _reader, silent = await asyncio.open_connection("127.0.0.1", gateway.address.port)
        await frozen.subscribe(token(ALICE), cargo())
        frozen.connection.transport.pause_reading()
        dead.black_hole()
        await waiting.join(token(ALICE), cargo(since=0))
        await waiting.alive()  # its join is being read, and will be until the line is given up
        began = asyncio.get_running_loop().time()
        assert await gateway.stop() == 0
        assert asyncio.get_running_loop().time() - began < 10
        frozen.connection.transport.resume_reading()
        silent.close()


async def test_one_frame_over_the_whole_buffer_still_arrives(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    """Or its reader would be cut at it, resume before it, and be cut again."""
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    async with gateway_process(dsn, log, SONNETTE_MAX_BUFFER_BYTES="1000") as gateway:
        await cargo_db.execute("insert into cargo values (1, %s, repeat('x', 20000000))", (ALICE,))
        async with wire(gateway) as alice:
            alice.connection.protocol.max_size = None
            await alice.subscribe(token(ALICE), cargo(since=0))
            assert len((await alice.change()).row["note"]) == 20_000_000


# --- Postgres itself


@pytest.fixture
async def own_server(pg_bindir: Path) -> AsyncIterator[Server]:
    """A server that a test may stop, with Sonnette and a watched table in it."""
    home = reachable_folder()
    with embedded.start(home, bindir=pg_bindir, fsync=False) as server:
        migrate.upgrade(server.dsn())
        async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as db:
            await db.execute(CARGO)
            await db.execute("select sonnette.watch('cargo', 'owner')")
        yield server
    shutil.rmtree(home)


def stop(server: Server, how: signal.Signals) -> None:
    """SIGINT ends it in order, SIGQUIT as a crash does; it can be launched again."""
    os.kill(server.pid, how)
    wait_until(lambda: server.exit_code() is not None)


async def insert(server: Server, number: int) -> None:
    async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as db:
        await db.execute("insert into cargo values (%s, %s)", (number, ALICE))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_postgres_restarts_under_a_gateway(
    own_server: Server, tmp_path: Path, how: signal.Signals
) -> None:
    dsn, log = own_server.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    async with gateway_process(dsn, log) as gateway, follower(gateway, ALICE) as one:
        await insert(own_server, 1)
        await eventually(lambda: one.numbers == [1])
        stop(own_server, how)
        async with wire(gateway) as meanwhile:
            await meanwhile.join(token(ALICE), cargo())
            reason = "UnableToConnectToProject: the database cannot be reached; try again"
            assert await meanwhile.refusal() == reason
        problems = await gateway.problems()
        assert any(said.startswith("the feeds cannot be read: ") for said in problems)
        assert any(said.startswith("not listening: ") for said in problems)

        own_server.launch()
        await insert(own_server, 2)
        await eventually(lambda: one.numbers == [1, 2], 20)
        assert one.sockets == 1, "its clients stay where they are"
        await eventually(lambda: ready(gateway))


async def ready(gateway: GatewayProcess) -> bool:
    return await gateway.problems() == []


async def test_a_gateway_that_starts_before_its_database(
    own_server: Server, tmp_path: Path
) -> None:
    stop(own_server, signal.SIGINT)
    gateway = GatewayProcess(own_server.dsn("sonnette_gateway"), tmp_path / "gateway.log", {})
    try:
        await gateway.start_unready()
        assert await gateway.problems() != []
        async with wire(gateway) as early:
            await early.join(token(ALICE), cargo())
            reason = "RealtimeRestarting: the revocations have not been read yet; try again"
            assert await early.refusal() == reason
            own_server.launch()
            await eventually(lambda: ready(gateway), 20)
            await early.subscribe(token(ALICE), cargo())
            await insert(own_server, 1)
            assert (await early.change()).seq == 1
        assert await gateway.stop() == 0
    finally:
        if gateway.running:
            gateway.kill()
