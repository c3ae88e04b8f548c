"""Faults 20 to 23 and 26: what other sessions of the same server do to us.

They take all connections, stop the notify queue, leave transactions open, or stand in our way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.chaos.clock import Clock, needs_faketime
from tests.chaos.conftest import Worlds
from tests.chaos.looking import changes, complains, metric, served
from tests.chaos.postgres import Template
from tests.chaos.world import World, world
from tests.db_helpers import Connection, rows, value
from tests.facts import eventually

OURS = "select count(*) = 0 from pg_stat_activity where application_name like 'sonnette gateway%%'"
ROW = "insert into cargo values (%s, %s, 'by hand')"
CHANGE = "update cargo set note = %s where id = %s"


async def test_fault_20_no_connections_left(worlds: Worlds) -> None:
    """The gateway has lost its own and gets no others: it says so, and is back when it can be."""
    few = {"max_connections": "20", "superuser_reserved_connections": "8"}
    async with worlds(postgres=few) as world:
        alice = await world.user()
        await world.client(alice)
        world.writer(alice)
        await world.more(30)
        gateway = world.gateways[0]
        with world.timeline.fault("no connections left"):
            gateway.line.refuse()
            async with crowd(world):
                gateway.line.accept()
                await eventually(lambda: complains(gateway, "connection slots are reserved"))
                await world.more(30)
        await world.more(30)
        await world.holds()
        assert world.clients[0].record.sockets == 1


@asynccontextmanager
async def crowd(world: World) -> AsyncIterator[None]:
    """Idle sessions on every place that is not a superuser's, the gateway's among them."""
    async with AsyncExitStack() as stack, await world.connected() as db:
        await eventually(lambda: value(db, OURS))
        while (one := await place(world)) is not None:
            await stack.enter_async_context(one)
        yield


async def place(world: World) -> Connection | None:
    """One more connection; none once there is none left."""
    with suppress(psycopg.OperationalError):
        return await world.connected("sonnette_service")
    return None


async def test_fault_21_notify_queue_full_to_its_end(worlds: Worlds) -> None:
    """A session listens and is left in a transaction; somebody's notifications fill the queue.

    Ours are left out from its half on, so that no write fails, and changes are found at looks, each
    3 s: long before the sweep, which would count them as lost.
    """
    async with worlds(postgres={"max_notify_queue_pages": "64"}) as world:
        alice = await world.user()
        await world.client(alice)
        world.writer(alice)
        await world.more(30)
        async with await world.connected() as stuck, await world.connected() as db:
            await stuck.execute("listen elsewhere")
            await stuck.execute("begin")
            with suppress(psycopg.errors.ProgramLimitExceeded):
                while True:
                    await db.execute("select pg_notify('elsewhere', repeat('x', 7900))")
            assert await value(db, "select pg_notification_queue_usage()") == 1
            world.timeline.say("postgres", "the notify queue is full")
            await world.more(30)
            await served(world)
            assert await world.gateways[0].process.problems() == []
        await world.more(30)
        await world.holds()
        assert await metric(world.gateways[0], "sonnette_rings_skipped_total") >= 30
        assert await metric(world.gateways[0], "sonnette_gateway_lost_rings_total") == 0


async def test_fault_22_long_write_transactions(world: World) -> None:
    """One that has written a watched row, and one in another database: nobody waits for either.

    What the first has written comes when it commits, behind all that was committed before.
    """
    alice, bob = await world.user(), await world.user()
    for user in (alice, bob):
        await world.client(user)
    async with await world.connected() as db:
        await db.execute("create database elsewhere")
    dsn = world.postgres.server.dsn(dbname="elsewhere")
    async with (
        await world.connected() as here,
        await Connection.connect(dsn, autocommit=True) as there,
    ):
        await there.execute("begin")
        await there.execute("create table long as select 1")
        await there.execute("notify sonnette, 'not yet'")
        await here.execute("begin")
        await here.execute(ROW, (-1_000_000, alice))
        world.timeline.say("postgres", "two transactions are left open")
        world.writer(alice, bob)
        await world.more(60)
        await served(world)
        last = world.clients[0].record.since
        await here.execute("commit")
        await there.execute("commit")
    await world.more(30)
    await world.holds()
    (late,) = [c.seq for c in changes(world.clients[0]) if c.row.get("id") == -1_000_000]
    assert late > (last or 0)


async def test_fault_23_forgotten_prepared_transaction(worlds: Worlds) -> None:
    """On another table it is there for ever, over a crash too, and stands in nobody's way.

    On a watched one Postgres refuses it, because it has rung, and nothing of it remains.
    """
    async with worlds(postgres={"max_prepared_transactions": "5"}) as world:
        alice = await world.user()
        await world.client(alice)
        world.writer(alice)
        async with await world.connected() as db:
            await db.execute("begin")
            await db.execute("insert into marks values ('forgotten', 0)")
            await db.execute("prepare transaction 'forgotten'")
            await db.execute("begin")
            await db.execute(ROW, (-1_000_000, alice))
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="PREPARE"):
                await db.execute("prepare transaction 'watched'")
        await world.more(30)
        with world.timeline.fault("a crash, with a prepared transaction"):
            world.postgres.crash()
            world.postgres.launch()
        await world.more(30)
        async with await world.connected() as db:
            assert await value(db, "select count(*) from pg_prepared_xacts") == 1
            await served(world)
            await db.execute("rollback prepared 'forgotten'")
        await world.holds()


@needs_faketime
async def test_fault_23_is_named(data: Template, shelf: Path, tmp_path: Path) -> None:
    """By ops.blocked to whom it holds up, and by ops.doctor once it is old."""
    clock = Clock(shelf / "database")
    template = clock.postgres(data, shelf)
    async with (
        world(template, tmp_path, gateways=0, postgres={"max_prepared_transactions": "5"}) as one,
        await one.connected() as db,
        await one.connected("sonnette_operator") as operator,
    ):
        await db.execute("insert into marks values ('a row', 0)")
        await db.execute("begin")
        await db.execute("update marks set inserted = 1")
        await db.execute("prepare transaction 'forgotten'")
        held_up = asyncio.create_task(db.execute("update marks set inserted = 2"))
        blocked = await eventually(lambda: rows(operator, "select * from ops.blocked()"))
        assert blocked[0]["by_program"] == "prepared transaction forgotten"
        old = "select finding from ops.doctor() where what = 'old transactions' and not well"
        assert await value(operator, old) is None
        clock.set(600)
        assert "the prepared transaction forgotten (postgres)" in await value(operator, old)
        async with await one.connected() as other:
            await other.execute("rollback prepared 'forgotten'")
        await held_up


async def test_fault_26_writers_in_each_others_way(world: World) -> None:
    """Deadlock, lock timeout, serialization failure: one of two is undone, and uses no number."""
    alice, bob = await world.user(), await world.user()
    for user in (alice, bob):
        await world.client(user)
    async with await world.connected() as one, await world.connected() as other:
        await one.execute("set deadlock_timeout = '50ms'")
        await one.execute(ROW, (-1_000_001, alice))
        await one.execute(ROW, (-1_000_002, bob))
        await deadlock(one, other)
        await lock_timeout(one, other, alice)
        await serialization_failure(one, other, alice)
    world.writer(alice, bob)
    await world.more(30)
    await world.holds()
    notes = [change.row.get("note") for change in changes(world.clients[0])]
    assert "done" in notes
    assert "undone" not in notes


async def deadlock(one: Connection, other: Connection) -> None:
    """Each wants the row that the other has; who finds it first is undone."""
    for session, id in ((one, -1_000_001), (other, -1_000_002)):
        await session.execute("begin")
        await session.execute(CHANGE, ("undone" if session is one else "done", id))
    waiting = asyncio.create_task(other.execute(CHANGE, ("done", -1_000_001)))
    await asyncio.sleep(0)
    with pytest.raises(psycopg.errors.DeadlockDetected):
        await one.execute(CHANGE, ("undone", -1_000_002))
    await one.execute("rollback")
    await waiting
    await other.execute("commit")


async def lock_timeout(one: Connection, other: Connection, user: object) -> None:
    """At COMMIT, of all statements: the other holds the feed, having numbered before its own."""
    await other.execute("begin")
    await other.execute(ROW, (-1_000_003, user))
    await other.execute("set constraints all immediate")
    await one.execute("begin")
    await one.execute("set local lock_timeout = '50ms'")
    await one.execute(CHANGE, ("undone", -1_000_001))
    with pytest.raises(psycopg.errors.LockNotAvailable):
        await one.execute("commit")
    await other.execute("commit")


async def serialization_failure(one: Connection, other: Connection, user: object) -> None:
    """Also at COMMIT: the feed has moved on since the snapshot."""
    await one.execute("begin isolation level repeatable read")
    await one.execute(CHANGE, ("undone", -1_000_001))
    await other.execute(ROW, (-1_000_004, user))
    with pytest.raises(psycopg.errors.SerializationFailure):
        await one.execute("commit")
