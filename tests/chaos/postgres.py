"""A Postgres of a world's own, that may be stopped, killed and launched again under everybody.

Its data folder is a copy of one that is migrated once in a session: that takes a tenth of a second.
Each copy is a history of its own. Without fsync: what is killed here is processes, and the system
keeps what they have written.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from db import embedded, migrate, place
from db.account import server_account
from tests.facts import wait_until
from tests.fixtures.postgres import Database, reachable_folder
from tests.integration.gateway_wire import CARGO

SOON_S = 30
MARKS = """
    create table marks (mark text primary key, inserted int not null);
    grant select on cargo, marks to public
"""


@dataclass(frozen=True)
class Template:
    """A migrated data folder, with the watched table `cargo` and the writers' table `marks`."""

    bindir: Path
    data: Path


@dataclass(frozen=True)
class OwnPostgres(Database):
    """A server that a test may do anything to."""

    def stop(self) -> None:
        """In order, as systemd does it: sessions are ended, a checkpoint is written."""
        self._signal(signal.SIGINT)

    def crash(self) -> None:
        """An immediate shutdown: nobody is told anything, the next start recovers from the WAL."""
        self._signal(signal.SIGQUIT)

    def kill(self) -> None:
        """kill -9 of the postmaster; its backends end when they notice."""
        self._signal(signal.SIGKILL)

    def launch(self) -> None:
        """Start it again; returns once it accepts connections."""
        self.server.launch()

    @property
    def running(self) -> bool:
        """Whether the server is there."""
        return self.server.exit_code() is None

    def _signal(self, how: signal.Signals) -> None:
        os.kill(self.server.pid, how)
        wait_until(lambda: not self.running, SOON_S)


@contextmanager
def template(bindir: Path) -> Iterator[Template]:
    """The folder that others are copied from, for the length of a session."""
    home = reachable_folder()
    try:
        with embedded.start(home, bindir=bindir, fsync=False) as server:
            migrate.upgrade(server.dsn())
            with psycopg.connect(server.dsn(), autocommit=True) as db:
                db.execute(CARGO.encode())
                db.execute("select sonnette.watch('cargo', 'owner')")
                db.execute(MARKS.encode())
        yield Template(bindir, server.place.data)
    finally:
        shutil.rmtree(home)


@contextmanager
def own_postgres(from_: Template, settings: Mapping[str, str]) -> Iterator[OwnPostgres]:
    """A fresh server for the length of a block; `settings` are server parameters."""
    home = reachable_folder()
    try:
        data = place.settle(home, server_account()).data
        subprocess.run(["cp", "-a", str(from_.data), str(data)], check=True)
        server = embedded.start(home, bindir=from_.bindir, fsync=False, settings=settings)
        try:
            with psycopg.connect(server.dsn(), autocommit=True) as db:
                db.execute("select sonnette.new_epoch()")
            yield OwnPostgres(server, place.DATABASE)
        finally:
            server.stop()
    finally:
        shutil.rmtree(home)
