"""Fault 19: the disk is full, the one with the tables or the one with the WAL."""

from contextlib import suppress

import psycopg

from tests.chaos.conftest import Worlds
from tests.chaos.disk import Disk, needs_mount, small_disk
from tests.chaos.looking import is_well, served
from tests.chaos.timeline import Timeline
from tests.chaos.world import World
from tests.facts import eventually

pytestmark = needs_mount
FULL_LIMIT_S = 30


async def test_fault_19_disk_full_under_the_tables(world: World) -> None:
    """Writers are refused, a whole transaction each; who reads is served on. Then it is over."""
    alice = await world.user()
    with small_disk(96) as disk:
        move(world, disk, "base")
        await eventually(lambda: is_well(world.gateways[0]), FULL_LIMIT_S)
        await world.client(alice)
        world.writer(alice)
        await world.more(30)
        with world.timeline.fault("the disk under the tables is full"):
            disk.fill()
            await eventually(lambda: refused(world.timeline, "No space left"), FULL_LIMIT_S)
            await served(world)
            await (await world.client(alice)).come_back()
            await served(world)
            disk.free()
        await world.more(30)
        await world.holds()
        await eventually(lambda: is_well(world.gateways[0]), FULL_LIMIT_S)
        world.postgres.stop()


def move(world: World, disk: Disk, what: str) -> None:
    """Put a part of the data folder onto the small disk."""
    with world.timeline.fault(f"{what} moves to a small disk"):
        world.postgres.stop()
        disk.take(world.postgres.server.place.data / what)
        world.postgres.launch()


def refused(timeline: Timeline, why: str) -> bool:
    """Whether a writer was told so."""
    return any("could not write" in entry.what and why in entry.what for entry in timeline.entries)


async def test_fault_19_disk_full_under_the_wal(worlds: Worlds) -> None:
    """Postgres panics, and cannot recover before there is room; then we are back by ourselves."""
    async with worlds(postgres={"max_wal_size": "32MB", "min_wal_size": "32MB"}) as world:
        alice = await world.user()
        with small_disk(96) as disk:
            move(world, disk, "pg_wal")
            await world.client(alice)
            world.writer(alice)
            await world.more(30)
            with world.timeline.fault("the disk under the WAL is full"):
                disk.fill()
                await eventually(lambda: switched_in_vain(world), FULL_LIMIT_S)
                disk.free()
                assert "PANIC" in world.postgres.server.place.log.read_text()
                await eventually(lambda: up(world), FULL_LIMIT_S)
            await world.more(30)
            await world.holds()
            world.postgres.stop()


async def switched_in_vain(world: World) -> bool:
    """Begin a new segment of the WAL; true once there is no room for one."""
    try:
        async with await world.connected() as db:
            await db.execute("create table if not exists at_all (); drop table at_all")
            await db.execute("select pg_switch_wal()")
    except psycopg.OperationalError:
        return True
    return False


async def up(world: World) -> bool:
    """Whether Postgres takes connections; where it has given up it is started, as systemd does."""
    if not world.postgres.running:
        world.postgres.launch()
    with suppress(psycopg.OperationalError):
        await (await world.connected()).close()
        return True
    return False
