"""Whole processes, at their usual pace, under what loses events without an error: each is named.

In /readyz, in the log, and while it lasts; each process mends itself where it can, and says when
an operator has mended the rest.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from db import binaries, embedded, migrate
from db.embedded import Server
from db.errors import NotMigrated
from db.hearing import POOLER, SILENT
from tests.db_helpers import ALICE, Connection, value
from tests.facts import eventually
from tests.fixtures.postgres import Database, reachable_folder
from tests.fixtures.service import running_service
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import CARGO, cargo, wire
from tests.polling import running, simulated
from tests.pooler import needs_pgbouncer, pooler
from tests.watching import line, through

FOUND_LIMIT_S = 20  # 8 s where the machine is free
GONE = "the watched table public.cargo does not exist"
DISABLED = "the trigger sonnette_log_update on public.cargo is not ENABLE ALWAYS"


async def says(gateway: GatewayProcess, problem: str | None) -> None:
    """Return once /readyz names this problem; None: once there is none."""

    async def named() -> bool:
        problems = await gateway.problems()
        return not problems if problem is None else any(problem in said for said in problems)

    await eventually(named, FOUND_LIMIT_S)


async def diagnosed(db: Connection, what: str, finding: str) -> str:
    """Return once ops.doctor() says this of that; all that it says of it."""
    asked = "select finding from ops.doctor() where what = %s and not well"

    async def found() -> str | None:
        said = str(await value(db, asked, what))
        return said if finding in said else None

    return str(await eventually(found, FOUND_LIMIT_S))


async def test_a_half_open_line_is_named_while_it_lasts_and_nothing_is_lost(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    log = tmp_path / "gateway.log"
    async with (
        line(database) as only,
        gateway_process(through(only, database), log) as gateway,
        wire(gateway) as alice,
    ):
        await alice.subscribe(token(ALICE), cargo())
        only.black_hole()
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        await says(gateway, SILENT)
        assert "gateway" in await diagnosed(cargo_db, "processes", ": silent")
        only.heal()
        assert (await alice.change()).seq == 1
        await says(gateway, None)
        assert SILENT in gateway.logged()


async def test_a_watched_table_that_is_gone_is_named(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    await cargo_db.execute("drop table cargo")
    await says(gateway, GONE)
    await diagnosed(cargo_db, "triggers", GONE)
    assert GONE in gateway.logged()
    await cargo_db.execute("delete from sonnette.watched where table_name = 'cargo'")
    await says(gateway, None)


@needs_pgbouncer
async def test_a_pool_in_transaction_mode_is_named(
    database: Database, db: Connection, tmp_path: Path
) -> None:
    async with pooler(database, "transaction") as dsn:
        gateway = GatewayProcess(dsn, tmp_path / "gateway.log", {})
        try:
            await gateway.start_unready()
            await says(gateway, POOLER)
            assert POOLER in gateway.logged()
            await diagnosed(db, "pooler", POOLER)
        finally:
            gateway.kill()


async def test_service_and_poller_go_on_and_warn(database: Database, cargo_db: Connection) -> None:
    async with (
        simulated(database) as (world, settings),
        running(settings),
        running_service(database) as service,
        service.client() as client,
    ):
        await cargo_db.execute("alter table cargo disable trigger sonnette_log_update")
        poller = f"{settings.poller_listen.url()}/readyz"

        async def both_warn() -> bool:
            answers = [await client.get("/readyz"), await world.web.get(poller)]
            assert [answer.status_code for answer in answers] == [httpx.codes.OK] * 2
            return all(answer.json()["warnings"] == [DISABLED] for answer in answers)

        await eventually(both_warn, FOUND_LIMIT_S)


async def test_a_gateway_that_waits_for_its_migration(
    database: Database, db: Connection, tmp_path: Path
) -> None:
    await db.execute("create database unborn")
    dsn, admin = (database.server.dsn(role, "unborn") for role in ("sonnette_gateway", "postgres"))
    gateway = GatewayProcess(dsn, tmp_path / "gateway.log", {})
    try:
        await gateway.start_unready()
        await says(gateway, f"not listening: {NotMigrated(None)}")
        migrate.upgrade(admin)
        await says(gateway, None)
        assert await gateway.stop() == 0
    finally:
        if gateway.running:
            gateway.kill()
        await db.execute("drop database unborn with (force)")


# --- the notify queue, which is of a size that a test can fill from PostgreSQL 17 on


@pytest.fixture
async def small_queue() -> AsyncIterator[Server]:
    """The bundled server, with Sonnette, `cargo`, and half a MiB of notify queue."""
    home = reachable_folder()
    small = {"max_notify_queue_pages": "64"}
    bindir = binaries.wheel_bindir()
    assert bindir is not None
    with embedded.start(home, bindir=bindir, fsync=False, settings=small) as server:
        migrate.upgrade(server.dsn())
        async with await Connection.connect(server.dsn(), autocommit=True) as db:
            await db.execute(CARGO)
            await db.execute("select sonnette.watch('cargo', 'owner')")
        yield server
    shutil.rmtree(home)


@asynccontextmanager
async def stuck_listener(server: Server, db: Connection) -> AsyncIterator[None]:
    """A session that listens and is left in a transaction, and a queue that is over half full."""
    async with await Connection.connect(server.dsn(), autocommit=True) as stuck:
        await stuck.execute("listen elsewhere")
        await stuck.execute("begin")
        for number in range(40):
            await db.execute("select pg_notify('nobody', repeat('x', 7900) || %s)", (number,))
        assert await value(db, "select pg_notification_queue_usage() > 0.5")
        yield


async def test_a_notify_queue_over_half_full_delays_changes_and_loses_none(
    small_queue: Server, tmp_path: Path
) -> None:
    dsn, log = small_queue.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    async with (
        gateway_process(dsn, log) as gateway,
        wire(gateway) as alice,
        await Connection.connect(small_queue.dsn(), autocommit=True) as db,
        httpx.AsyncClient(base_url=gateway.url) as web,
    ):
        await alice.subscribe(token(ALICE), cargo())

        async def warned() -> bool:
            said = (await web.get("/readyz")).json()
            return bool(said["ready"]) and "the notify queue is" in " ".join(said["warnings"])

        async def calm() -> bool:
            return not (await web.get("/readyz")).json()["warnings"]

        async with stuck_listener(small_queue, db):
            await eventually(warned, FOUND_LIMIT_S)
            for number in (1, 2):
                await db.execute("insert into cargo values (%s, %s)", (number, ALICE))
                assert (await alice.change()).seq == number
            assert await value(db, "select last_value from sonnette.rings_skipped") == 2
            metrics = (await web.get("/metrics")).text
            assert "sonnette_gateway_lost_rings_total 0.0" in metrics, "made up for before a sweep"
        await eventually(calm, FOUND_LIMIT_S)
        assert "sonnette_rings_skipped_total 2.0" in (await web.get("/metrics")).text
    assert "the notify queue is" in gateway.logged()
    assert "the notify queue has emptied" in gateway.logged()
