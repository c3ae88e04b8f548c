"""A database that nobody can reach for a while, as during a restart of Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from tests.fixtures.postgres import Database


@asynccontextmanager
async def away(database: Database) -> AsyncIterator[None]:
    """The database takes no connections and has lost those that it had."""
    async with await psycopg.AsyncConnection.connect(
        database.server.dsn("postgres", "postgres"), autocommit=True
    ) as outside:
        await outside.execute(f"alter database {database.name} allow_connections false")
        await outside.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
            (database.name,),
        )
        try:
            yield
        finally:
            await outside.execute(f"alter database {database.name} allow_connections true")
