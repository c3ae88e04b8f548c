"""Keeps the Revocations of a process as the database has them, on a connection of its own.

Promised: a revocation is known here at once when its ring is heard, and within 2 s when it is not;
a read ends within 5 s; a lost connection is opened again after a jittered back-off and everything
is read anew. A revocation never waits behind a slow feed, hence the connection.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db.backoff import Backoff
from db.connect import connect, limited
from db.errors import SonnetteError, translated
from db.queries import queries
from process.revocations import Revocations

log = structlog.get_logger(__name__)

REVOKED = "sonnette_revoked"  # the channel
LOOK_EVERY_S = 2.0
READ_LIMIT_S = 5
PAUSE_S = 0.05  # any role that can connect can ring
FROM_THE_START = "0"


class RevocationReader:
    """Reads for `revocations`; `problem` says why it cannot."""

    def __init__(self, dsn: str, revocations: Revocations, *, application_name: str) -> None:
        self._dsn = dsn
        self._revocations = revocations
        self._application_name = application_name
        self._rung = asyncio.Event()
        self._backoff = Backoff(0.1, LOOK_EVERY_S)
        self.problem: str | None = "the revocations have not been read yet"

    def ring(self) -> None:
        """Somebody's tokens may have been revoked: look now."""
        self._rung.set()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._run_once()
            except SonnetteError as error:
                self._failed(str(error))
            await asyncio.sleep(self._backoff.next_s())

    async def _run_once(self) -> None:
        connection = await connect(self._dsn, application_name=self._application_name)
        try:
            rows, seen = await self._read(connection, FROM_THE_START)
            self._revocations.replace(rows)
            self.problem = None
            self._backoff.reset()
            while True:
                await self._rung_or_time()
                rows, seen = await self._read(connection, seen)
                self._revocations.add(rows)
        finally:
            await connection.close()

    async def _read(
        self, connection: AsyncConnection[TupleRow], since: str
    ) -> tuple[Sequence[tuple[str, datetime]], str]:
        """What was revoked since, and from where the next read goes on."""
        with limited(connection, READ_LIMIT_S, "a read"), translated():
            found = await connection.execute(queries["revocations_since"], {"since": since})
            rows = await found.fetchall()
        return [(user, at) for user, at, _seen in rows if user is not None], rows[0][2]

    async def _rung_or_time(self) -> None:
        await asyncio.sleep(PAUSE_S)
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()

    def _failed(self, reason: str) -> None:
        problem = f"the revocations cannot be read: {reason}"
        if self.problem != problem:
            log.warning("the revocations cannot be read", reason=reason)
        self.problem = problem
