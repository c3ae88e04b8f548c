"""A listener and its lookout in this process, at a quick pace, each on a line of its own choosing.

`Ears` is what a test sees of them: what was heard, how often everything was marked, and a way to
prove that a ring arrives.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from psycopg.conninfo import make_conninfo

from db.backoff import Backoff
from db.hearing import Pace
from db.listener import Listener
from db.lookout import Lookout, Member, Report
from tests.db_helpers import Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.proxy import Proxy, proxy, to_socket

QUICK = Pace(every_s=0.2, suspect_after_s=0.5, echo_limit_s=1.5)
PATIENT = Pace(every_s=0.2, echo_limit_s=60)  # where nothing may be found deaf
NAME = "test listener"


@dataclass
class Ears:
    """`marks` counts how often everything was to be read."""

    listener: Listener
    lookout: Lookout
    rings: list[str] = field(default_factory=list)
    echoes: list[float] = field(default_factory=list)
    marks: int = 0

    async def hears(self, db: Connection, word: str) -> None:
        """Return once a ring of `db`'s is heard, however often it takes: it may be deaf yet."""

        async def heard() -> bool:
            await db.execute("select pg_notify('sonnette', %s)", (word,))
            return word in self.rings

        await eventually(heard, 20)


@asynccontextmanager
async def ears(
    dsn: str, lookout_dsn: str | None = None, pace: Pace = QUICK, ready: bool = True
) -> AsyncIterator[Ears]:
    """Listening for the length of a block, where `ready` from its first line on."""

    async def mark() -> None:
        one.marks += 1

    process = uuid4()
    listener = Listener(
        dsn,
        ["sonnette"],
        application_name=NAME,
        on_ring=lambda _channel, payload: one.rings.append(payload),
        on_listening=mark,
        on_echo=lambda took_s: one.echoes.append(took_s),
        backoff=Backoff(0.01, 0.05),
        process=process,
        pace=pace,
    )
    member = Member(process, "gateway", "a test", 1, "0")
    one = Ears(listener, Lookout(lookout_dsn or dsn, listener, member))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(listener.run()), tasks.create_task(one.lookout.run(Report))]
        if ready:
            await eventually(lambda: one.echoes and one.lookout.problem is None)
        try:
            yield one
        finally:
            for task in running:
                task.cancel()


@asynccontextmanager
async def line(database: Database) -> AsyncIterator[Proxy]:
    """A line to Postgres that can be treated as networks treat theirs."""
    async with proxy(to_socket(f"{database.server.socket_dir}/.s.PGSQL.5432")) as one:
        yield one


def through(one: Proxy, database: Database, role: str = "sonnette_gateway") -> str:
    """The DSN of that role over the line."""
    return make_conninfo(
        "", host="127.0.0.1", port=one.port, user=role, dbname=database.name, sslmode="disable"
    )
