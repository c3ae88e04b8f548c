"""Works for one account: picks what is due, has it asked about, and writes what came of it.

Promised to users: a code is written as soon as the provider told it, however slow other numbers
are; a result that cannot be written at once is kept and tried again, not asked for again. Promised
to administrators: `problem` says why nothing is done, None while all is well.
"""

import asyncio
import logging
import time
from contextlib import suppress

from db.backoff import Backoff
from db.errors import SonnetteError
from poller import offers, saving
from poller.accounts import Account
from poller.asking import Asker
from poller.books import Books
from poller.breaker import Breaker, State
from poller.inhand import InHand
from poller.jobs import Jobs
from poller.metrics import Metrics
from poller.planning import Plan
from poller.providers.answers import Balance, PriceList
from poller.providers.base import Provider
from poller.purchase import BUY_WITHIN
from poller.rate import Rate
from poller.saving import Saved
from poller.session import AccountHeld, Fence, Session, hold
from poller.store import DatabaseClock, Store
from poller.strangers import STRANGE_FOR_S, Strangers
from poller.watchlist import LOOK_ANYWAY_S
from poller.work import HintClosed, NumberBought, Outcome, SmsArrived

log = logging.getLogger(__name__)

MAX_IN_HAND = 1000  # the rest stays due
PURCHASES_IN_HAND = 50  # and so these
BATCH = 100
PICK_PAUSE_S = 0.01  # rings that come together are one
HELD_PAUSE_S = 0.5
LOOK_OVER_S = 10.0
PAUSED_LOOK_S = 5.0
DRAIN_S = 8.0


class AccountWorker:
    """Serves `account` at `provider`, whose answers are counted by whoever made it."""

    def __init__(
        self,
        account: Account,
        provider: Provider,
        dsn: str,
        metrics: Metrics,
        fence: Fence | None = None,
        strange_for_s: float = STRANGE_FOR_S,
    ) -> None:
        self._account = account
        self._provider = provider
        self._dsn = dsn
        self._metrics = metrics
        self._clock = DatabaseClock()
        self._fence = fence
        self._strangers = Strangers(strange_for_s)
        self._books = Books()
        self._breaker = Breaker(Backoff(1, 30))
        self._told: State | None = None
        rate = Rate(account.requests_per_s)
        self._asker = Asker(provider, self._clock, self._breaker, rate, self._books)
        self._in_hand = InHand()
        self._wake = asyncio.Event()
        self._stopping = False
        self._paused = False
        self._priced = False
        self._hints_looked_at_s = float("-inf")
        self._problem: str | None = "not connected yet"

    @property
    def problem(self) -> str | None:
        """Why this account is not served, a sentence; None while it is."""
        if self._problem is None and not self._priced:
            return f"account {self._account.name} has no price list yet"
        return self._problem and f"account {self._account.name}: {self._problem}"

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is under way then has 8 s to be answered and written."""
        async with asyncio.TaskGroup() as tasks:
            jobs = Jobs(
                tasks,
                self._account,
                self._asker,
                self._in_hand,
                self._clock,
                self._metrics,
                self._books,
                self._strangers,
            )
            sessions = tasks.create_task(self._sessions(jobs))
            await stop.wait()
            self._stopping = True
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await self._in_hand.empty.wait()
            jobs.cancel()
            sessions.cancel()

    async def _sessions(self, jobs: Jobs) -> None:
        """Hold the account, and hold it again whenever it is lost."""
        backoff = Backoff(0.2, 3)
        while True:
            try:
                async with hold(self._dsn, self._account.name, self._fence) as session:
                    backoff.reset()
                    await self._serve(session, jobs)
            except* AccountHeld as group:
                # What we had decided is another's to decide now; what came to pass is not.
                self._in_hand.keep_only_news()
                self._down(_first(group))
            except* SonnetteError as group:
                self._down(_first(group))
            await asyncio.sleep(backoff.next_s())

    async def _serve(self, session: Session, jobs: Jobs) -> None:
        store = self._books.store = Store(session, self._clock)
        try:
            self._priced = self._priced or await store.has_offers()
            self._paused = await store.is_paused()
            self._breaker.resume(
                *await offers.last_seen(session, self._account), now_s=time.monotonic()
            )
            self._problem = None
            log.info("holding the account", extra={"account": self._account.name})
            self._told = None
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(session.keep())
                tasks.create_task(self._pick(session, store, jobs))
                tasks.create_task(self._save(session, jobs))
                tasks.create_task(self._refresh(session, jobs))
                tasks.create_task(self._look_over(store))
        finally:
            self._books.store = None

    def _down(self, problem: str) -> None:
        if self._problem != problem:
            log.warning("not serving: %s", problem, extra={"account": self._account.name})
        self._problem = problem

    async def _pick(self, session: Session, store: Store, jobs: Jobs) -> None:
        while not self._stopping:
            self._wake.clear()
            self._paused = await store.is_paused()
            probed = self._breaker.is_open and self._breaker.wait_s(time.monotonic()) <= 0
            if probed and not self._paused:
                await self._asker.probe()
            await self._tell(session)
            wait_s = await self._pick_once(store, jobs)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            await asyncio.sleep(PICK_PAUSE_S)

    async def _tell(self, session: Session) -> None:
        """Let everybody see how the breaker is, once it has changed."""
        state, pause_s = self._breaker.state, self._breaker.wait_s(time.monotonic())
        if state != self._told:
            await offers.seen(session, self._account, state, pause_s or None)
            self._told = state
            self._metrics.breaker_open.labels(self._account.name).set(self._breaker.is_open)

    async def _pick_once(self, store: Store, jobs: Jobs) -> float:
        """Start what is due; the seconds until something is, if nothing rings before."""
        now_s = time.monotonic()
        room = MAX_IN_HAND - len(self._in_hand.rows)
        if room <= 0:
            return HELD_PAUSE_S
        pause_s = self._breaker.wait_s(now_s)
        if pause_s > 0 or self._breaker.is_open or self._paused:
            # Who waits for a number may have waited long enough; that needs no provider.
            overdue = await store.overdue(BUY_WITHIN, self._in_hand.rows, room)
            jobs.start(Plan((), tuple(self._in_hand.take(overdue))))
            return min(PAUSED_LOOK_S if self._paused else pause_s, LOOK_ANYWAY_S)
        if now_s >= self._hints_looked_at_s + LOOK_ANYWAY_S:
            self._hints_looked_at_s = now_s
            await store.close_unknown_hints()
        due = await store.due(self._in_hand.rows, room, self._room_for_purchases)
        fresh = [row for row in due if row.id not in self._in_hand.rows]
        now = self._clock.now()
        plan = jobs.watchlist.plan(fresh, now, now_s)
        self._in_hand.take((*plan.together, *plan.alone))
        jobs.start(plan)
        self._metrics.busy.labels(self._account.name).set(len(self._in_hand.rows))
        held = [row.id for row in plan.held]
        busy = [*self._in_hand.rows, *held]
        next_s = await store.next_due_s(busy, purchases=self._room_for_purchases > 0)
        return jobs.watchlist.wait_s(plan, next_s, now, time.monotonic())

    @property
    def _room_for_purchases(self) -> int:
        return max(0, PURCHASES_IN_HAND - self._in_hand.purchases)

    async def _save(self, session: Session, jobs: Jobs) -> None:
        while True:
            batch = self._in_hand.batch(BATCH, time.monotonic())
            if batch:
                saved = await saving.save(session, batch)
                self._in_hand.written(saved, time.monotonic())
                self._note(batch, saved)
                await self._give_back(saved, jobs)
                self._wake.set()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(HELD_PAUSE_S):
                    await self._in_hand.results.wait()

    def _note(self, batch: list[Outcome], saved: Saved) -> None:
        """Count what was written and what was not, and log the latter."""
        name = self._account.name
        changes = [c for o in batch if o.row.id in saved.saved for c in o.changes]
        self._asker.claimed -= {c.order_id for c in changes if isinstance(c, NumberBought)}
        self._metrics.sms.labels(name).inc(sum(isinstance(c, SmsArrived) for c in changes))
        for hint in (h for o in batch if o.row.id in saved.saved for h in o.hints):
            if isinstance(hint, HintClosed):
                self._metrics.webhooks.labels(name, hint.outcome).inc()
        self._metrics.held.labels(name).inc(len(saved.held))
        self._metrics.refused.labels(name).inc(len(saved.refused))
        for outcome, change in saved.missed:
            kind = type(change).__name__
            self._metrics.missed.labels(name, kind).inc()
            extra = {"account": name, "activation_id": str(outcome.row.id)}
            log.warning("a change changed nothing: %s", kind, extra=extra)

    async def _give_back(self, saved: Saved, jobs: Jobs) -> None:
        """Numbers that were bought and whose activation was over by then: nobody pays for them."""
        bought = [c.order_id for _, c in saved.missed if isinstance(c, NumberBought)]
        # Not so where the COMMIT of an earlier try succeeded and only its answer was lost.
        known = await self._books.known_orders(bought)
        for order_id in bought:
            if order_id not in known:
                jobs.give_back(order_id)

    async def _refresh(self, session: Session, jobs: Jobs) -> None:
        """Fetch the price list, now and every ten minutes, and see what else the provider has."""
        backoff = Backoff(1, 60)
        while True:
            if self._paused or self._breaker.is_open:
                await asyncio.sleep(PAUSED_LOOK_S if self._paused else HELD_PAUSE_S)
                continue
            answer = await self._asker.prices()
            if isinstance(answer, PriceList):
                await offers.seen(session, self._account, self._breaker.state, None)
                await offers.store(session, self._account, answer)
                self._priced = True
                backoff.reset()
                await self._note_balance()
                if self._account.speaks.has_list:
                    jobs.look_through()
                await asyncio.sleep(offers.REFRESH_S)
                continue
            log.warning("no price list: %s", answer.word, extra={"account": self._account.name})
            await asyncio.sleep(backoff.next_s())

    async def _look_over(self, store: Store) -> None:
        name = self._account.name
        while True:
            in_doubt, orphans = await store.counts()
            self._metrics.in_doubt.labels(name).set(in_doubt)
            self._metrics.orphans.labels(name).set(orphans)
            if woken := await store.wake_overslept():
                log.warning(
                    "looks were planned too far ahead, as after the clock was set back",
                    extra={"account": name, "numbers": woken},
                )
                self._wake.set()
            await asyncio.sleep(LOOK_OVER_S)

    async def _note_balance(self) -> None:
        balance = await self._asker.balance()
        if isinstance(balance, Balance):
            self._metrics.balance.labels(self._account.name).set(float(balance.amount))


def _first(group: BaseExceptionGroup[SonnetteError]) -> str:
    """The sentence of the first error in the group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
