"""The second eye of a process, on a small connection of its own that no slow read can hold up.

Promised: every 3 s a canary is sent for the listener to hear, the database is looked at for what
loses events without an error (triggers, tables, a full notify queue), and this process says in
sonnette.processes that it lives; whatever is wrong is in `problem`, `unwatched`, `unguarded` or
`crowded` and in the log. Every statement is answered within 5 s or its connection is cut. Rings
that the database left out because the queue was half full are made up for at the next look.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db.backoff import Backoff
from db.connect import NoAnswer, connect, limited
from db.errors import QueueFull, SonnetteError, TryAgain, translated
from db.listener import Listener
from db.queries import queries

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 5.0
LAST_WORD_LIMIT_S = 0.5
SOONEST_S = 0.1  # between two rounds, however often the listener opens
QUEUE_LIMIT = 0.5


@dataclass(frozen=True)
class Member:
    """Which process this is; `kind` is gateway, poller or service."""

    id: UUID
    kind: str
    host: str
    pid: int
    version: str


@dataclass(frozen=True)
class Report:
    """How a process fares, for operators: sentences and figures, and nothing of any user."""

    problems: Sequence[str] = ()
    facts: Mapping[str, int] = field(default_factory=dict)


def crowded(queue_usage: float) -> str | None:
    """A sentence where the notify queue is so full that triggers.sql leaves rings out."""
    if queue_usage <= QUEUE_LIMIT:
        return None
    return (
        f"the notify queue is {queue_usage:.0%} full, because some session listens and takes "
        "nothing: over 50% no ring is sent, and changes are found at looks alone"
    )


class Lookout:
    """Sends the canaries of `listener` and looks around for `member`.

    `on_round` is called at each round, well or not, and so every few seconds as long as the event
    loop turns; a round takes 23 s at the very worst.
    """

    def __init__(
        self,
        dsn: str,
        listener: Listener,
        member: Member,
        on_round: Callable[[], None] = lambda: None,
    ) -> None:
        self._dsn = dsn
        self._on_round = on_round
        self._listener = listener
        self._member = member
        self._name = f"sonnette {member.kind} lookout"
        self._backoff = Backoff(0.1, 3)
        self.problem: str | None = "the database has not been looked at yet"
        self.unwatched: tuple[str, ...] = ()  # changes get no number
        self.unguarded: tuple[str, ...] = ()  # money does not move, or nobody is woken
        self.queue_usage = 0.0
        self.rings_skipped: int | None = None
        self.drains = asyncio.Event()

    @property
    def crowded(self) -> str | None:
        """A sentence while the notify queue is over half full."""
        return crowded(self.queue_usage)

    async def run(self, report: Callable[[], Report]) -> None:
        """Look out until cancelled; `report` is asked each time, for sonnette.processes."""
        while True:
            try:
                await self._look_out(report)
            except SonnetteError as error:
                self._failed(str(error))
                if isinstance(error, NoAnswer):
                    self._listener.silent()
            self._on_round()
            await asyncio.sleep(self._backoff.next_s())

    async def _look_out(self, report: Callable[[], Report]) -> None:
        connection = await connect(self._dsn, application_name=self._name)
        connection.prepare_threshold = None  # a pooler in transaction mode would lose them
        try:
            with limited(connection, ANSWER_LIMIT_S, "a look"), translated():
                await connection.execute(queries["lookout_session"])
            while True:
                self._on_round()
                await self._round(connection, report)
                await self._until_next()
        except asyncio.CancelledError:
            await self._say_stopped(connection)
            raise
        finally:
            await connection.close()

    async def _round(
        self, connection: AsyncConnection[TupleRow], report: Callable[[], Report]
    ) -> None:
        with limited(connection, ANSWER_LIMIT_S, "a canary"):
            await self._send_canary(connection)
        with limited(connection, ANSWER_LIMIT_S, "a look"):
            await self._look(connection)
            await self._say_alive(connection, report())
        self.problem = None
        self._backoff.reset()

    async def _until_next(self) -> None:
        await asyncio.sleep(SOONEST_S)
        try:
            async with asyncio.timeout(self._listener.hearing.pace.every_s - SOONEST_S):
                await self._listener.opened.wait()
        except TimeoutError:
            return

    async def _send_canary(self, connection: AsyncConnection[TupleRow]) -> None:
        self._listener.opened.clear()
        channel, payload = self._listener.canary()
        try:
            with translated():
                await connection.execute(
                    queries["notify"], {"channel": channel, "payload": payload}
                )
        except QueueFull:  # the look says so, and makes up for the rings that are left out
            self._listener.hearing.unsent()
            return
        except SonnetteError:
            if not connection.closed:  # else nobody knows whether it was sent
                self._listener.hearing.unsent()
            raise
        self._listener.hearing.answered()

    async def _look(self, connection: AsyncConnection[TupleRow]) -> None:
        try:
            with translated():
                row = await (await connection.execute(queries["look"])).fetchone()
        except TryAgain:  # somebody alters a watched table just now
            return
        if row is None:
            return
        unwatched, unguarded, usage, skipped = row
        before = {*self.unwatched, *self.unguarded}, self.crowded, self.rings_skipped
        self.unwatched, self.unguarded = tuple(unwatched), tuple(unguarded)
        self.queue_usage, self.rings_skipped = usage, skipped
        self._log_changes(*before[:2])
        if before[2] not in (None, skipped):
            await self._listener.mark_all()

    def _log_changes(self, missing: set[str], crowded: str | None) -> None:
        now = {*self.unwatched, *self.unguarded}
        for problem in sorted(now - missing):
            log.error("the database is not as it must be", extra={"problem": problem})
        for problem in sorted(missing - now):
            log.info("mended in the database", extra={"problem": problem})
        if (crowded is None) != (self.crowded is None):
            log.warning("%s", self.crowded or "the notify queue has emptied")

    async def _say_alive(self, connection: AsyncConnection[TupleRow], said: Report) -> None:
        me = self._member
        values = {"id": me.id, "kind": me.kind, "host": me.host, "pid": me.pid}
        values |= {"version": me.version, "problems": list(said.problems)}
        values["facts"] = json.dumps(dict(said.facts))
        with translated():
            row = await (await connection.execute(queries["process_seen"], values)).fetchone()
        if row is not None and row[0]:
            self.drains.set()

    async def _say_stopped(self, connection: AsyncConnection[TupleRow]) -> None:
        try:
            with limited(connection, LAST_WORD_LIMIT_S, "the last word"), translated():
                await connection.execute(queries["process_stopped"], {"id": self._member.id})
        except SonnetteError as error:
            log.warning("not said in sonnette.processes that this process stops: %s", error)

    def _failed(self, problem: str) -> None:
        if self.problem != problem:
            log.warning("the database cannot be looked at: %s", problem)
        self.problem = problem
