"""The one LISTEN of a process: a supervised connection of its own that hands each ring on.

Promised to the three processes: `on_listening` runs after LISTEN is in force and before `listening`
is set, at every (re)connect, so that nobody who then reads everything misses what rang in between;
a lost connection is found, named in `problem`, and opened again after a jittered back-off. A ring
is a hint that something changed: its loss costs delay, never truth.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from db.backoff import Backoff
from db.connect import connect
from db.errors import DatabaseUnavailable, SonnetteError, translated
from db.queries import queries

log = logging.getLogger(__name__)


class Listener:
    """Listens on `channels`; calls `on_ring(channel, payload)` for each notification, in order.

    `on_ring` is called in the event loop and must not block; `on_listening` marks all as due.
    """

    def __init__(
        self,
        dsn: str,
        channels: Sequence[str],
        *,
        application_name: str,
        on_ring: Callable[[str, str], None],
        on_listening: Callable[[], Awaitable[None]] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._dsn = dsn
        self._channels = tuple(channels)
        self._application_name = application_name
        self._on_ring = on_ring
        self._on_listening = on_listening
        self._backoff = backoff or Backoff(0.1, 3)
        self.listening = asyncio.Event()
        self.problem: str | None = "not connected yet"
        self.connects = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen_once()
            except SonnetteError as error:
                self._down(str(error))
            await asyncio.sleep(self._backoff.next_s())

    async def _listen_once(self) -> None:
        connection = await connect(self._dsn, application_name=self._application_name)
        try:
            with translated():
                await self._begin(connection)
                async for ring in connection.notifies():
                    self._on_ring(ring.channel, ring.payload)
            raise DatabaseUnavailable("the listening connection was closed")
        finally:
            self.listening.clear()
            await connection.close()

    async def _begin(self, connection: AsyncConnection[TupleRow]) -> None:
        standby = await (await connection.execute(queries["is_standby"])).fetchone()
        if standby and standby[0]:
            raise DatabaseUnavailable("this server is a standby, where nothing can be listened to")
        for channel in self._channels:
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        if self._on_listening is not None:
            await self._on_listening()
        self._up()

    def _up(self) -> None:
        self.connects += 1
        self.problem = None
        self._backoff.reset()
        self.listening.set()
        log.info("listening", extra={"channels": ",".join(self._channels)})

    def _down(self, problem: str) -> None:
        if self.problem != problem:
            log.warning("not listening: %s", problem)
        self.problem = problem
