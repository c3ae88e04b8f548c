"""The connection that holds one account, and the only one on which its results are written.

Promised to the worker: whoever writes holds the account's advisory lock, because lock and writes
share a connection and end together; statements and transactions of several tasks take turns on it.
A poller that is frozen, or cut off from its database, loses the account: the server ends a session
that was silent for `Fence.silence_s`, and `keep` touches it more often than that while we live.
What costs money at a provider is done only while `is_held`: a thawed poller knows without asking.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db.connect import connect, limited
from db.errors import DatabaseUnavailable, SonnetteError, translated
from db.queries import queries

STATEMENT_TIMEOUT_S = 10


@dataclass(frozen=True)
class Fence:
    """After `silence_s` without a statement the server gives the account to somebody else.

    A statement without an answer for `answer_s` means that the line is dead; the server itself ends
    each after STATEMENT_TIMEOUT_S.
    """

    silence_s: float = 15.0
    touch_s: float = 5.0
    answer_s: float = STATEMENT_TIMEOUT_S + 2.0


class AccountHeld(SonnetteError):
    """Another poller holds this account."""


class Session:
    """An open connection that holds `account`. Made by `hold`."""

    def __init__(self, connection: AsyncConnection[TupleRow], account: str, fence: Fence) -> None:
        self._connection = connection
        self._fence = fence
        self._turn = asyncio.Lock()
        self._held_until_s = float("-inf")
        self.account = account

    @property
    def is_held(self) -> bool:
        """Whether the account is surely ours still.

        The monotonic clock goes on while a process is frozen, so this is known before any question.
        """
        return not self._connection.closed and time.monotonic() < self._held_until_s

    async def keep(self) -> None:
        """Keep the account until cancelled."""
        while True:
            await asyncio.sleep(self._fence.touch_s)
            await self.rows("touch")

    async def rows(self, name: str, **params: object) -> list[TupleRow]:
        """The rows of one statement, in a transaction of its own."""
        async with self._turn:
            return await self._rows(name, params)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """One transaction; nobody else's statement gets into it."""
        async with self._turn:
            limit_s = 2 * self._fence.answer_s  # for BEGIN and COMMIT; statements have their own
            with limited(self._connection, limit_s, "a transaction"), translated():
                async with self._connection.transaction():
                    yield Transaction(self)

    async def _rows(self, name: str, params: dict[str, Any]) -> list[TupleRow]:
        if self._connection.closed:
            raise DatabaseUnavailable("the connection that holds the account was closed")
        asked_at_s = time.monotonic()
        with limited(self._connection, self._fence.answer_s, name), translated():
            cursor = await self._connection.execute(queries[name], params)
            found = await cursor.fetchall() if cursor.description else []
        # From when we asked: the server's own count begins later.
        self._held_until_s = asked_at_s + self._fence.silence_s
        return found


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
async def hold(dsn: str, account: str, fence: Fence | None = None) -> AsyncIterator[Session]:
    """Connect and hold the account until the block ends. AccountHeld where another has it."""
    fence = fence or Fence()
    connection = await connect(dsn, application_name=f"sonnette poller {account}")
    try:
        session = Session(connection, account, fence)
        silence = f"{int(fence.silence_s * 1000)}ms"
        timeout = f"{STATEMENT_TIMEOUT_S}s"
        await session.rows("poller_session", statement_timeout=timeout, silence=silence)
        if not (await session.rows("account_hold", account=account))[0][0]:
            raise AccountHeld(f"another poller holds the account {account}")
        yield session
    finally:
        await connection.close()
