"""The one LISTEN of a process: a supervised connection of its own that hands each ring on.

Promised to the three processes: `on_listening` runs after LISTEN is in force and before `listening`
is set, at every (re)connect, so that nobody who then reads everything misses what rang in between;
a connection that is lost or deaf is found, named in `problem`, and opened again after a jittered
back-off. A ring is a hint that something changed: its loss costs delay, never truth. The canaries,
by which deafness is found, are sent by db/lookout.py; no canary is handed on as a ring.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

from psycopg import AsyncConnection, Notify, sql
from psycopg.rows import TupleRow

from db import history
from db.backoff import Backoff
from db.connect import Standby, connect, cut, limited
from db.errors import DatabaseUnavailable, SonnetteError, translated
from db.hearing import CANARY, USUAL, Hearing, Pace
from db.queries import queries

log = logging.getLogger(__name__)

BEGIN_LIMIT_S = 5.0
LATE_S = 0.5  # a timer this late: this process itself stood still, and may yet hear what came


class Listener:
    """Listens on `channels`; calls `on_ring(channel, payload)` for each notification, in order.

    `on_ring` is called in the event loop and must not block; `on_listening` marks all as due. The
    first channel is the one that canaries are sent to; `on_echo` is told how long one took.
    """

    def __init__(
        self,
        dsn: str,
        channels: Sequence[str],
        *,
        application_name: str,
        on_ring: Callable[[str, str], None],
        on_listening: Callable[[], Awaitable[None]] | None = None,
        on_echo: Callable[[float], None] | None = None,
        backoff: Backoff | None = None,
        process: UUID | None = None,
        pace: Pace = USUAL,
    ) -> None:
        self._dsn = dsn
        self._channels = tuple(channels)
        self._application_name = application_name
        self._on_ring = on_ring
        self._on_listening = on_listening
        self._on_echo = on_echo
        self._backoff = backoff or Backoff(0.1, 3)
        self._connection: AsyncConnection[TupleRow] | None = None
        self.hearing = Hearing(process or uuid4(), pace)
        self.listening = asyncio.Event()
        self.opened = asyncio.Event()  # set at each LISTEN: a canary is welcome now

    @property
    def problem(self) -> str | None:
        """Why it does not hear, a sentence; None while it does."""
        return self.hearing.problem

    @property
    def connects(self) -> int:
        """How often it has begun to hear."""
        return self.hearing.connects

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            self.hearing.connecting()
            try:
                await self._listen_once()
            except SonnetteError as error:
                self._down(str(error))
            await asyncio.sleep(self._backoff.next_s())

    def canary(self) -> tuple[str, str]:
        """Channel and payload of a canary, to be sent over another connection now."""
        clock = asyncio.get_running_loop().time
        pace = self.hearing.pace
        for limit_s in (pace.suspect_after_s, pace.echo_limit_s):
            self._look_at(clock() + limit_s)
        return self._channels[0], self.hearing.canary(clock())

    async def mark_all(self) -> None:
        """Rings may have been missed: everything is to be read."""
        if self._on_listening is not None:
            await self._on_listening()

    def _look_at(self, when_s: float) -> None:
        asyncio.get_running_loop().call_at(when_s, self._look, when_s)

    def _look(self, when_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - when_s > LATE_S:
            self._look_at(now_s + LATE_S)
        elif self.hearing.look(now_s):
            self._cut()

    def silent(self) -> None:
        """Another connection got no answer: this one is not trusted, and soon open again."""
        if self.hearing.silent():
            self._cut()

    def _cut(self) -> None:
        log.warning("deaf: %s", self.hearing.problem)
        if self._connection is not None:
            cut(self._connection)

    async def _listen_once(self) -> None:
        connection = await connect(self._dsn, application_name=self._application_name)
        self._connection = connection
        try:
            with translated():
                with limited(connection, BEGIN_LIMIT_S, "LISTEN"):
                    await self._begin(connection)
                if not self.hearing.unproved:
                    await self._up()
                async for ring in connection.notifies():
                    await self._take(ring)
            raise DatabaseUnavailable("the listening connection was closed")
        finally:
            self._connection = None
            self.listening.clear()
            await connection.close()

    async def _begin(self, connection: AsyncConnection[TupleRow]) -> None:
        facts = await (await connection.execute(queries["listener_session"])).fetchone()
        standby, backend_pid = facts or (False, 0)
        if standby:
            raise Standby
        await history.confirm(connection)
        for channel in self._channels:
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        # What Postgres said at connect is its process id; a pooler says something of its own.
        self.hearing.opened(pooled=backend_pid != connection.info.backend_pid)
        self.opened.set()

    async def _take(self, ring: Notify) -> None:
        if not ring.payload.startswith(CANARY):
            self._on_ring(ring.channel, ring.payload)
            return
        took_s = self.hearing.heard(ring.payload, asyncio.get_running_loop().time())
        if took_s is None:
            return
        if self.hearing.unproved:
            await self._up()
        if self._on_echo is not None:
            self._on_echo(took_s)

    async def _up(self) -> None:
        await self.mark_all()
        self.hearing.listening()
        self._backoff.reset()
        self.listening.set()
        log.info("listening", extra={"channels": ",".join(self._channels)})

    def _down(self, problem: str) -> None:
        if self.hearing.lost(problem):
            log.warning("not listening: %s", self.hearing.problem)
