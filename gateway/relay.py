"""The one loop between the database and the sockets: take who is due, read, deliver, again.

At most one read is in flight, for all due users at once; under load the batches grow and the reads
do not. Between reads, on the same connection, the loop does its rounds: epoch and catalog every few
seconds, an audit, and each minute a sweep that finds users whose ring was lost. When the connection
fails everybody is due again after the next one is open: a lost ring or read costs delay alone.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from db import feed, history
from db.backoff import Backoff
from db.connect import connect, limited
from db.errors import SonnetteError, translated
from db.queries import queries
from gateway import catalog
from gateway.auditor import Auditor
from gateway.columns import Collation, Letters
from gateway.delays import Delays
from gateway.hub import Hub
from gateway.metrics import Metrics
from gateway.portions import Portions

log = structlog.get_logger(__name__)

USERS_PER_READ = 500
FINISH_LIMIT_S = 2
READ_LIMIT_S = 5  # a client waits 10 s for the answer to its join
JOINS_TOGETHER_S = 0.02  # while thousands come back, each read is for those who came in that time
FRAMES_PER_TURN = 200  # then the loop lets others run: joins, heartbeats, the listener


@dataclass(frozen=True)
class Pace:
    """How often the loop does its rounds, in seconds.

    `anybody_s`: how often at most a ring may mean everybody; any role that can connect can ring.
    """

    catalog_s: float = 5
    sweep_s: float = 60
    audit_s: float = 10
    anybody_s: float = 1


USUAL = Pace()


class Every:
    """Something to do each `period_s` seconds; `at_s` is when next, on the loop's clock."""

    def __init__(self, period_s: float, at_s: float) -> None:
        self._period_s = period_s
        self.at_s = at_s

    def due(self, now_s: float) -> bool:
        """True once it is time, and then the next time counts."""
        if now_s < self.at_s:
            return False
        self.at_s = now_s + self._period_s
        return True


class Relay:
    """Reads for `hub`. `reading` is the fact that it does; `problems` says what is wrong."""

    def __init__(self, dsn: str, metrics: Metrics, pace: Pace = USUAL) -> None:
        self._dsn = dsn
        self._metrics = metrics
        self._pace = pace
        self._work = asyncio.Event()
        self._backoff = Backoff(0.1, 3)
        self._anybody = False  # a ring that could not be read may have been anybody's
        self._suspects: dict[str, int] = {}
        self._letters: dict[Collation, Letters] = {}
        self.hub = Hub(
            on_due=self._work.set,
            on_resync=lambda reason: metrics.resyncs.labels(reason=reason).inc(),
        )
        self._auditor = Auditor(self.hub, metrics)
        self._delays = Delays()
        self._portions = Portions()
        self.reading = asyncio.Event()
        self._at_rest = asyncio.Event()  # nothing has been read that is not yet delivered
        self._at_rest.set()
        self._finishing = False
        self.problems: list[str] = ["the database has not been read yet"]

    async def run(self) -> None:
        """Read and deliver until cancelled."""
        while True:
            try:
                await self._run_once()
            except SonnetteError as error:
                self._failed(error)
            await asyncio.sleep(self._backoff.next_s())

    def on_ring(self, channel: str, payload: str) -> None:
        """A notification from the listener."""
        self._metrics.rings.inc()
        if not self.hub.ring(payload):
            self._anybody = True
            self._work.set()

    async def finish(self) -> None:
        """Begin no further read; returns once what has been read is delivered, or it takes long."""
        self._finishing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_LIMIT_S):
                await self._at_rest.wait()

    async def _run_once(self) -> None:
        connection = await connect(self._dsn, application_name="sonnette gateway")
        try:
            with limited(connection, READ_LIMIT_S, "a read"), translated():
                await connection.execute(queries["reader_session"])
                self.hub.set_epoch(await history.confirm(connection))
            self._letters.clear()  # it may be another server, with other locales
            self.hub.mark_all()
            await self._serve(connection)
        finally:
            self.reading.clear()
            await connection.close()

    async def _serve(self, connection: AsyncConnection[TupleRow]) -> None:
        clock = asyncio.get_running_loop().time
        catalog_round = Every(self._pace.catalog_s, clock())
        sweep_round = Every(self._pace.sweep_s, clock() + self._pace.sweep_s)
        audit_round = Every(self._pace.audit_s, clock())
        anybody_round = Every(self._pace.anybody_s, clock())
        gathered_at_s = clock()
        while True:
            if catalog_round.due(clock()):
                with limited(connection, READ_LIMIT_S, "a read"):
                    await self._look_around(connection)
                self.reading.set()
                self._backoff.reset()
                self._count_lost()
            if sweep_round.due(clock()):
                with limited(connection, READ_LIMIT_S, "a read"):
                    await self._sweep(connection)
            if audit_round.due(clock()):
                with limited(connection, READ_LIMIT_S, "a read"):
                    await self._auditor.audit(connection)
            if self._anybody and anybody_round.due(clock()):
                self._anybody = False
                self.hub.mark_all()
            gather_s = 0 if self.hub.urgent else gathered_at_s - clock()
            if self.hub.anyone_due and not self._finishing and gather_s > 0:
                await self._wait(gather_s)
            elif self.hub.anyone_due and not self._finishing:
                self._at_rest.clear()
                try:
                    await self._turn(connection)
                finally:
                    self._at_rest.set()
                gathered_at_s = clock() + JOINS_TOGETHER_S
            else:
                rounds = [catalog_round, audit_round, *[anybody_round] * self._anybody]
                await self._wait(min(one.at_s for one in rounds) - clock())

    async def _wait(self, at_most_s: float) -> None:
        self._work.clear()
        try:
            async with asyncio.timeout(max(at_most_s, 0)):
                await self._work.wait()
        except TimeoutError:
            return

    async def _turn(self, connection: AsyncConnection[TupleRow]) -> None:
        """One read for all who are due, and the delivery of what it found."""
        due = self.hub.take_due(USERS_PER_READ)
        try:
            pages = await self._read(connection, due)
        except BaseException:
            self.hub.put_back(due)
            raise
        last_pause = self.hub.delivered
        for page in pages:
            self._metrics.changes.inc(len(page.changes))
            for _pause in self.hub.delivery(page):
                await asyncio.sleep(0)
            self._note_delay(page)
            if self.hub.delivered - last_pause >= FRAMES_PER_TURN:
                last_pause = self.hub.delivered
                await asyncio.sleep(0)
        if self.hub.gaps:
            with limited(connection, READ_LIMIT_S, "a read"):
                await self._auditor.look_into_gaps(connection)

    def _note_delay(self, page: feed.Page) -> None:
        waited_s = self._delays.waited_s(page, datetime.now(UTC))
        if waited_s is not None:
            self._metrics.delay_seconds.observe(waited_s)

    async def _read(
        self, connection: AsyncConnection[TupleRow], due: Mapping[str, int]
    ) -> list[feed.Page]:
        with (
            self._metrics.read_seconds.time(),
            limited(connection, READ_LIMIT_S, "a read"),
        ):
            pages = await feed.read(connection, due, self._portions.most(len(due)))
        self._portions.note(pages)
        return pages

    async def _look_around(self, connection: AsyncConnection[TupleRow]) -> None:
        """Which history and which tables there are."""
        self.hub.set_epoch(await feed.read_epoch(connection))
        with translated():
            tables = await (await connection.execute(queries["subscribable"])).fetchall()
        for collation in catalog.foldable(tables) - self._letters.keys():
            self._letters[collation] = await _letters(connection, collation)
        self.hub.set_catalog(catalog.build(tables, self._letters))
        self.problems = []
        self._metrics.users.set(self.hub.users)

    async def _sweep(self, connection: AsyncConnection[TupleRow]) -> None:
        """Suspect the users whose feed has moved past what they were served."""
        known = self.hub.positions()
        with translated():
            behind = await connection.execute(
                queries["feeds_behind"],
                {"user_ids": list(known), "positions": list(known.values())},
            )
            self._suspects = {row[0]: known[row[0]] for row in await behind.fetchall()}

    def _count_lost(self) -> None:
        """A suspect who has not moved since the sweep had no ring, not even a late one."""
        now = self.hub.positions() if self._suspects else {}
        lost = [user for user, position in self._suspects.items() if now.get(user) == position]
        self._suspects = {}
        self._metrics.lost_rings.inc(len(lost))
        self.hub.put_back(lost)

    def _failed(self, error: SonnetteError) -> None:
        self._metrics.failures.inc()
        problem = f"the feeds cannot be read: {error}"
        if self.problems != [problem]:
            log.warning("the feeds cannot be read", reason=str(error))
        self.problems = [problem]
        self.hub.refuse_waiting(
            "UnableToConnectToProject: the database cannot be reached; try again"
        )


async def _letters(connection: AsyncConnection[TupleRow], collation: Collation) -> Letters:
    """How the collation changes the case of letters, asked once for each connection: 0.1 s."""
    name = sql.Identifier(collation.schema, collation.name)
    with translated():
        cursor = await connection.execute(sql.SQL(queries["letters"]).format(collation=name))
        rows = await cursor.fetchall()
    return Letters(
        {code: lower for code, lower, _ in rows if lower != code},
        {code: upper for code, _, upper in rows if upper != code},
    )
