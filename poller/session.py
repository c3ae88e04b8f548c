"""The connection that holds one account, and the only one on which its results are written.

Promised to the worker: whoever writes holds the account's advisory lock, because lock and writes
share a connection and end together; statements and transactions of several tasks take turns on it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db.connect import connect
from db.errors import DatabaseUnavailable, SonnetteError, translated
from db.queries import queries

log = logging.getLogger(__name__)

STATEMENT_TIMEOUT = "10s"


class AccountHeld(SonnetteError):
    """Another poller holds this account."""


class Session:
    """An open connection that holds `account`. Made by `hold`."""

    def __init__(self, connection: AsyncConnection[TupleRow], account: str) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.account = account

    async def rows(self, name: str, **params: object) -> list[TupleRow]:
        """The rows of one statement, in a transaction of its own."""
        async with self._turn:
            return await self._rows(name, params)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """One transaction; nobody else's statement gets into it."""
        async with self._turn:
            with translated():
                async with self._connection.transaction():
                    yield Transaction(self)

    async def _rows(self, name: str, params: dict[str, Any]) -> list[TupleRow]:
        if self._connection.closed:
            raise DatabaseUnavailable("the connection that holds the account was closed")
        with translated():
            cursor = await self._connection.execute(queries[name], params)
            return await cursor.fetchall() if cursor.description else []


class Transaction:
    """The statements of a session's open transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def rows(self, name: str, **params: object) -> list[TupleRow]:
        return await self._session._rows(name, params)

    async def said(self, name: str, **params: object) -> object:
        """What a function answered; false or None where it changed nothing."""
        rows = await self.rows(name, **params)
        answer: object = rows[0][0]
        return answer


@asynccontextmanager
async def hold(dsn: str, account: str) -> AsyncIterator[Session]:
    """Connect and hold the account until the block ends. AccountHeld where another has it."""
    connection = await connect(dsn, application_name=f"sonnette poller {account}")
    try:
        session = Session(connection, account)
        await session.rows("poller_session", statement_timeout=STATEMENT_TIMEOUT)
        if not (await session.rows("account_hold", account=account))[0][0]:
            raise AccountHeld(f"another poller holds the account {account}")
        yield session
    finally:
        await connection.close()
