"""Fault 24: the database is put back from a dump, or to an earlier point in time.

Whoever followed it has seen numbers that the restored one gives out anew, for other changes. No
cursor of the history before is served from it: everybody is told, reads all anew and goes on.
"""

import shutil
from pathlib import Path

from db.account import server_account
from db.errors import Incomplete
from tests.chaos.conftest import Worlds
from tests.chaos.looking import complains, is_well, served
from tests.chaos.record import Resynced
from tests.chaos.world import World
from tests.db_helpers import value
from tests.facts import eventually

LAST_SEGMENT = "select last_archived_wal >= %s from pg_stat_archiver"
WELL_LIMIT_S = 20


async def test_fault_24_restored_from_a_dump(world: World, shelf: Path) -> None:
    """Into a fresh database of the same name, while the gateway looks at it all the time.

    It meets tables without rows, then rows without triggers, and names what it meets.
    """
    await begin(world)
    tool(world, "pg_dump", "-Fc", "-f", shelf / "dump", world.postgres.name)
    await forgotten(world)
    with world.timeline.fault("dropped, and restored from a dump"):
        tool(world, "dropdb", "--force", world.postgres.name)
        tool(world, "createdb", world.postgres.name)
        tool(world, "pg_restore", "-d", world.postgres.name, "--section=pre-data", shelf / "dump")
        await eventually(lambda: complains(world.gateways[0], str(Incomplete())), WELL_LIMIT_S)
        tool(world, "pg_restore", "-d", world.postgres.name, "--section=data", shelf / "dump")
        lost = "has lost its trigger sonnette_log_insert"
        await eventually(lambda: complains(world.gateways[0], lost), WELL_LIMIT_S)
        tool(world, "pg_restore", "-d", world.postgres.name, "--section=post-data", shelf / "dump")
    await end(world)


async def test_fault_24_recovered_to_a_point_in_time(worlds: Worlds, shelf: Path) -> None:
    """A base backup, and the WAL up to an earlier moment than the last that its clients saw."""
    archived = {"archive_mode": "on", "archive_command": f"cp %p {shelf}/%f"}
    async with worlds(postgres=archived) as world:
        tool(world, "pg_basebackup", "-D", shelf / "base", "-c", "fast", "--no-sync")
        await begin(world)
        async with await world.connected() as db:
            await db.execute("select pg_create_restore_point('before')")
        await forgotten(world)
        async with await world.connected() as db:
            segment = await value(db, "select pg_walfile_name(pg_switch_wal())")
            await eventually(lambda: value(db, LAST_SEGMENT, segment))
        with world.timeline.fault("recovered to an earlier point in time"):
            world.postgres.stop()
            recover(world.postgres.server.place.data, shelf)
            world.postgres.launch()
        await end(world)


async def begin(world: World) -> None:
    """Two users with clients, and writes that the backup will have."""
    for _ in range(2):
        await world.client(await world.user())
    world.writer(*(one.record.user for one in world.clients))
    await world.more(40)
    await world.stop_writing()


async def forgotten(world: World) -> None:
    """Writes that the backup will not have, and that every client has seen."""
    lost = world.writer(*(one.record.user for one in world.clients), name="forgotten")
    await world.more(40)
    await world.stop_writing()
    await served(world)
    world.writers.remove(lost)


async def end(world: World) -> None:
    """Everybody was told once, on the socket that they had, and has what there is now."""
    world.resyncs.add("other history")
    world.writer(*(one.record.user for one in world.clients), name="after")
    await world.more(40)
    await world.holds()
    for one in world.clients:
        assert len(one.record.of(Resynced)) == 1
        assert one.record.sockets == 1
    await eventually(lambda: is_well(world.gateways[0]), WELL_LIMIT_S)


def tool(world: World, name: str, *words: str | Path) -> None:
    """One of Postgres' own programs, as the server's account."""
    server = world.postgres.server
    where = ["-h", str(server.socket_dir), "-U", "postgres"]
    done = server_account().run([server.bindir / name, *where, *words])
    assert done.returncode == 0, done.stderr


def recover(data: Path, shelf: Path) -> None:
    """Put the backup in place of the data; the server finds the WAL by itself."""
    shutil.rmtree(data)
    shutil.copytree(shelf / "base", data)
    (data / "recovery.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as conf:
        conf.write(
            f"restore_command = 'cp {shelf}/%f %p'\n"
            "recovery_target_name = 'before'\nrecovery_target_action = 'promote'\n"
        )
    for path in (data, *data.rglob("*")):
        server_account().own(path)
