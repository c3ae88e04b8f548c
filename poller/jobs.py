"""The questions under way: one job for each row, or for all rows that one list settles.

Promised to the worker: a job ends with a result in hand for each of its rows, even where it fails
by a mistake of our own; jobs outlive the database connection, so that an answer is never thrown
away because Postgres restarts.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta

from db.errors import SonnetteError
from poller import watching
from poller.accounts import Account
from poller.asking import Asker
from poller.books import Books
from poller.courses import course_for
from poller.inhand import InHand
from poller.metrics import Metrics
from poller.planning import Plan
from poller.providers.answers import (
    AccountRefused,
    ActiveAnswer,
    ActiveList,
    Cancelled,
    NoAnswer,
    NotKnown,
)
from poller.purchase import mistaken
from poller.steps import Cancel, Heard, led_nowhere, said_s, word
from poller.store import DatabaseClock
from poller.strangers import Strangers
from poller.watchlist import Watchlist
from poller.work import Outcome, Row

log = logging.getLogger(__name__)

AFTER_MISTAKE = timedelta(seconds=30)
ONE_BY_ONE = 20  # numbers of each list that are asked for by themselves though they are not due
NO_LIST = "BAD_ACTION"  # a provider of this family without the list


class Jobs:
    """Runs in the TaskGroup `tasks`."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        account: Account,
        asker: Asker,
        in_hand: InHand,
        clock: DatabaseClock,
        metrics: Metrics,
        books: Books,
        strangers: Strangers,
    ) -> None:
        self._tasks = tasks
        self._account = account
        self._asker = asker
        self._in_hand = in_hand
        self._clock = clock
        self._metrics = metrics
        self._books = books
        self._running: set[asyncio.Task[None]] = set()
        self._shown: dict[str, int] = {}
        self._strangers = strangers
        self.watchlist = Watchlist()

    def start(self, plan: Plan) -> None:
        """Start what was planned; its rows are in hand."""
        for row in plan.alone:
            self._start(self._alone(row), [row])
        if plan.lists:
            self._list(plan.together)

    def look_through(self) -> None:
        """Fetch the list though no row is due: it may have what nobody here knows of."""
        self._list(())

    def _list(self, rows: Sequence[Row]) -> None:
        self.watchlist.list_begins(time.monotonic())
        self._start(self._together(rows), rows)

    def give_back(self, order_id: str) -> None:
        """Cancel a number that was bought for an activation that no longer wants it."""
        self._start(self._give_back(order_id), ())

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()

    def _start(self, job: Coroutine[None, None, None], rows: Sequence[Row]) -> None:
        task = self._tasks.create_task(self._guarded(job, rows))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _guarded(self, job: Coroutine[None, None, None], rows: Sequence[Row]) -> None:
        try:
            await job
        except Exception as mistake:
            # One row that we deal with wrongly must not stop all others of the account.
            self._report(mistake)
            at = self._clock.now() + AFTER_MISTAKE
            for row in rows:
                if self._in_hand.awaits(row):
                    error = mistaken(row, "a mistake of our own")
                    self._in_hand.put(Outcome(row, look_at=at, error=error))

    async def _alone(self, row: Row) -> None:
        self.watchlist.forget(row)
        course = course_for(row, self._account, self._clock.now())
        if not isinstance(course, Outcome):
            course = await self._asker.follow(course)
        self._in_hand.put(course)

    async def _together(self, rows: Sequence[Row]) -> None:
        try:
            active = await self._asker.list_active()
        finally:
            self.watchlist.list_ends()
        if isinstance(active, ActiveList):
            await self._read(active, rows)
        elif _hopeless(active):
            heard = Heard(active, self._clock.now())
            for row in rows:
                self._in_hand.put(led_nowhere(row, heard, "list"))
        else:
            youngest = self.watchlist.take_youngest(ONE_BY_ONE)
            self._one_by_one([*rows, *self._in_hand.take(await self._live(youngest))])

    async def _read(self, active: ActiveList, rows: Sequence[Row]) -> None:
        """What the list says of the rows that were due, and of all others."""
        settled = watching.settle(rows, active, self._clock.now())
        for outcome in settled.outcomes:
            self._in_hand.put(outcome)
        for row in settled.waiting:
            self.watchlist.watch(row, time.monotonic())
        await self._others(active)
        alive = {entry.order_id for entry in active.rows if entry.alive}
        missing = self.watchlist.take_missing(alive, ONE_BY_ONE)
        self._one_by_one([*settled.open_rows, *self._in_hand.take(await self._live(missing))])
        await self._look_for_strangers(active)

    def _one_by_one(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._start(self._alone(row), [row])

    async def _others(self, active: ActiveList) -> None:
        """SMS in the list on numbers that nobody looked for now, such as a second one."""
        shown = {entry.order_id: entry for entry in active.rows if entry.sms}
        fresh = [id for id, entry in shown.items() if self._shown.get(id) != len(entry.sms)]
        rows = self._in_hand.take(await self._live(fresh))
        self._shown = {id: n for id, n in self._shown.items() if id in shown}
        self._shown |= {row.order_id: len(shown[row.order_id].sms) for row in rows if row.order_id}
        for row in rows:
            outcome = watching.news(row, shown, self._clock.now())
            if outcome is None:
                self._in_hand.release(row)
            else:
                self.watchlist.forget(row)
                self._in_hand.put(outcome)

    async def _live(self, order_ids: Sequence[str]) -> list[Row]:
        if not order_ids:
            return []
        try:
            return await self._books.live_rows(order_ids, self._in_hand.rows)
        except SonnetteError:
            return []  # whoever owns the connection sees to it; the list comes again

    async def _look_for_strangers(self, active: ActiveList) -> None:
        unknown = self._strangers.unknown(active)
        try:
            ours = await self._books.known_orders(unknown) | self._asker.claimed
            strange = self._strangers.strange(active, ours, time.monotonic())
            for order_id in await self._books.orphans_seen(strange) if strange else ():
                self.give_back(order_id)
        except SonnetteError:
            return  # as in _live

    async def _give_back(self, order_id: str) -> None:
        answer = await self._asker.ask(Cancel(order_id))
        log.error(
            "a number was bought for an activation that no longer wants it",
            extra={"account": self._account.name, "order_id": order_id, "cancel": word(answer)},
        )
        over = isinstance(answer, Cancelled | NotKnown)
        with suppress(SonnetteError):
            await self._books.orphan_released(order_id, word(answer), over=over)

    def _report(self, mistake: Exception) -> None:
        self._metrics.mistakes.labels(self._account.name).inc()
        # Not the message: it may quote what a provider sent.
        where = "".join(traceback.format_tb(mistake.__traceback__))
        log.error("a mistake of our own: %s at\n%s", type(mistake).__name__, where)


def _hopeless(active: ActiveAnswer) -> bool:
    """Whether asking for each number by itself would fare no better."""
    if isinstance(active, AccountRefused):
        return active.word != NO_LIST
    return isinstance(active, NoAnswer) or said_s(active) > 0
