"""The service's way to Postgres: short transactions on a small pool, tried again where that helps.

Promised to the routes: a transaction is committed whole or not at all; deadlocks and serialization
failures are tried again up to 5 times after a jittered back-off; every wait (for a connection, a
turn, a statement) is limited and ends in a refusal. Nobody holds a connection while waiting for a
fact.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from db import feed, history
from db.backoff import Backoff
from db.connect import begin, connect, conninfo, limited
from db.errors import DatabaseUnavailable, NotMigrated, TryAgain, translated
from db.queries import queries
from service.limits import Turns

log = structlog.get_logger(__name__)

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]
T = TypeVar("T")

NAME = "sonnette service"
MAX_CONNECTIONS = 10
MAX_IN_LINE = 1000  # requests waiting for a connection; more are refused at once
CONNECTION_WAIT_S = 5.0
LOOK_LIMIT_S = 2.0  # for an answer of a connection that was idle
TRANSACTION_LIMIT_S = 12.0  # two statements that wait as long as they may; after that it is dead
TRIES = 5
# A user's writes meet at the user's wallet anyway; one whose wallet someone holds must not take
# the connections of all others.
WRITES_PER_USER = 2


class Database:
    """Transactions on the pool; made by `opened`."""

    def __init__(self, pool: Pool, transaction_limit_s: float) -> None:
        self._pool = pool
        self._limit_s = transaction_limit_s
        self._turns = Turns(WRITES_PER_USER, CONNECTION_WAIT_S)

    async def write(self, user_id: UUID, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` in a READ COMMITTED transaction of this user's, and commit."""
        async with self._turns.of(user_id):
            return await self._tried(work)

    async def note(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """The same for what the service keeps for itself, which no wallet stands in the way of."""
        return await self._tried(work)

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` on one snapshot, read-only: all it reads belongs together."""

        async def on_one_snapshot(connection: Connection) -> T:
            await connection.execute(queries["one_snapshot"])
            return await work(connection)

        return await self._tried(on_one_snapshot)

    async def check(self) -> None:
        """SonnetteError unless the database answers and Sonnette is in it."""
        await self.read(feed.read_epoch)

    async def _tried(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        backoff = Backoff(0.01, 0.5)
        for _ in range(TRIES - 1):
            try:
                return await self._once(work)
            except TryAgain:
                await asyncio.sleep(backoff.next_s())
        return await self._once(work)

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        with translated():
            async with self._pool.connection() as connection:
                with limited(connection, self._limit_s, "a transaction"):
                    async with connection.transaction():
                        return await work(connection)


async def begun(dsn: str, database: Database) -> None:
    """Look whether Sonnette is in the database; one that is away now may come, and is waited for.

    SonnetteError where it is there and will not do.
    """
    try:
        # A pool would try for long, and then say no more than that it got nothing.
        await (await connect(dsn, application_name=NAME)).close()
        await database.check()
    except DatabaseUnavailable as error:
        log.warning("beginning without the database", reason=str(error))


@asynccontextmanager
async def opened(
    dsn: str, transaction_limit_s: float = TRANSACTION_LIMIT_S
) -> AsyncIterator[Database]:
    """A Database that is closed at the end. It connects when it can."""
    async with AsyncConnectionPool(
        conninfo(dsn, application_name=NAME),
        kwargs={"autocommit": True},
        min_size=1,
        max_size=MAX_CONNECTIONS,
        max_waiting=MAX_IN_LINE,
        timeout=CONNECTION_WAIT_S,
        configure=_configure,
        check=_check,  # after a restart of Postgres all are dead
    ) as pool:
        yield Database(pool, transaction_limit_s)


async def _check(connection: Connection) -> None:
    with limited(connection, LOOK_LIMIT_S, "a look"):
        await AsyncConnectionPool.check_connection(connection)


async def _configure(connection: Connection) -> None:
    with limited(connection, TRANSACTION_LIMIT_S, "the first questions"):
        await begin(connection)
        await connection.execute(queries["service_session"])
        with suppress(NotMigrated):  # the statements that follow say so themselves
            await history.confirm(connection)  # no answer after a failover names the epoch before
