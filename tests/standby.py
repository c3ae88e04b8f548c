"""A primary of a test's own and its streaming standby, to be promoted when the first is dead.

Made by pg_basebackup; replication is asynchronous, as most people have it.
"""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from db import embedded, migrate, place
from db.account import server_account
from db.embedded import Server
from db.place import DATABASE, PORT
from tests.db_helpers import Connection, value
from tests.facts import eventually, wait_until
from tests.fixtures.postgres import Database, reachable_folder
from tests.integration.gateway_wire import CARGO

_COPY = ["-R", "-X", "stream", "-c", "fast", "--no-sync", "-U", "postgres", "-p", str(PORT)]


@dataclass(frozen=True)
class Pair(Database):
    """`dsn` names both hosts; `server` is the first primary."""

    standby: Server

    def dsn(self, role: str = "postgres") -> str:
        hosts = f"{self.server.socket_dir},{self.standby.socket_dir}"
        return make_conninfo(
            "", host=hosts, port=f"{PORT},{PORT}", user=role, dbname=DATABASE, connect_timeout=5
        )

    def kill_primary(self) -> None:
        """As a machine that fails: no session is ended in order."""
        os.kill(self.server.pid, signal.SIGQUIT)
        wait_until(lambda: self.server.exit_code() is not None)

    async def promote(self) -> None:
        """Make the standby the primary."""
        async with await connected(self.standby) as db:
            await db.execute("select pg_promote()")

    async def stop_replication(self) -> None:
        """What is committed from now on the standby never gets."""
        async with await connected(self.standby) as db:
            await db.execute("alter system set primary_conninfo = ''")
            await db.execute("select pg_reload_conf()")
            receiving = "select count(*) = 0 from pg_stat_wal_receiver"
            await eventually(lambda: value(db, receiving))

    async def replayed(self) -> None:
        """Return once the standby has all that is committed now."""
        async with await connected(self.server) as db:
            written = await value(db, "select pg_current_wal_flush_lsn()::text")
        async with await connected(self.standby) as db:
            await eventually(
                lambda: value(db, "select pg_last_wal_replay_lsn() >= %s::pg_lsn", written)
            )


async def connected(server: Server) -> Connection:
    """A superuser's connection to one of them, autocommit."""
    return await Connection.connect(server.dsn(), autocommit=True)


@asynccontextmanager
async def pair(pg_bindir: Path) -> AsyncIterator[Pair]:
    """Both, with Sonnette and the table `cargo`, for the length of a block."""
    with (
        _home() as first,
        _home() as second,
        embedded.start(first, bindir=pg_bindir, fsync=False) as primary,
    ):
        migrate.upgrade(primary.dsn())
        async with await connected(primary) as db:
            await db.execute(CARGO)
            await db.execute("select sonnette.watch('cargo', 'owner')")
        _copy(primary, second)
        with embedded.start(second, bindir=pg_bindir, fsync=False) as standby:
            yield Pair(primary, DATABASE, standby)


def _copy(primary: Server, home: Path) -> None:
    account = server_account()
    data = place.settle(home, account).data
    program = primary.bindir / "pg_basebackup"
    copied = account.run([program, "-h", primary.socket_dir, "-D", data, *_COPY])
    assert copied.returncode == 0, copied.stderr


@contextmanager
def _home() -> Iterator[Path]:
    folder = reachable_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
