"""Follows courses: puts their questions to the provider and hands the answers back.

Promised to the worker: a bounded number of questions is under way at once, purchases apart from the
others, so that slow sales never delay codes; all of them keep to the account's rate and are told to
its breaker; nothing that changes anything at the provider is asked by a poller that may have lost
the account; a number that was found again is given to one activation only.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar, assert_never
from uuid import UUID

from db.errors import SonnetteError
from poller.breaker import Breaker
from poller.providers.answers import (
    ActiveAnswer,
    ActiveList,
    ActiveRow,
    BalanceAnswer,
    Bought,
    NoAnswer,
    NoList,
    PricesAnswer,
)
from poller.providers.base import Order, Provider
from poller.rate import Rate
from poller.steps import (
    Answer,
    AskAgain,
    Buy,
    Cancel,
    Check,
    Course,
    FindLost,
    Finish,
    Found,
    Heard,
    Question,
    ReadAll,
)
from poller.store import DatabaseClock
from poller.work import Outcome, Row

MAX_QUESTIONS = 8
MAX_PURCHASES = 4
OTHER_PURCHASES_S = 40.0  # more than any purchase may take

NOT_HELD = NoAnswer("account_not_held", sent=False)

A = TypeVar("A")


class Books(Protocol):
    """What the database knows of purchases. SonnetteError where it is away."""

    @property
    def is_held(self) -> bool:
        """Whether the account is surely ours."""

    async def taken_orders(self, order_ids: Sequence[str], before: datetime) -> set[str]:
        """The orders among these that activations have, or that were seen before that time."""

    async def purchase_begins(self, id: UUID) -> bool:
        """Write the intent down; False where nobody wants the number, or the row is locked."""


class Asker:
    """One for each account. `claimed` orders are ours, though the database may not know it yet."""

    def __init__(
        self, provider: Provider, clock: DatabaseClock, breaker: Breaker, rate: Rate, books: Books
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._breaker = breaker
        self._rate = rate
        self._books = books
        self._questions = asyncio.Semaphore(MAX_QUESTIONS)
        self._purchases = asyncio.Semaphore(MAX_PURCHASES)
        self._buying: set[asyncio.Event] = set()
        self.claimed: set[str] = set()

    async def follow(self, course: Course) -> Outcome:
        """Ask what the course asks until it has an outcome."""
        question = next(course)
        while True:
            answer = await self.ask(question)
            try:
                question = course.send(Heard(answer, self._clock.now()))
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome

    async def ask(self, question: Question) -> Answer:
        match question:
            case Buy(order, begins):
                return await self._buy(order, begins)
            case FindLost(row):
                return await self._find_lost(row)
            case Check(order_id):
                return await self._put(self._provider.check, order_id)
            case ReadAll(order_id):
                return await self._put(self._read_all, order_id)
            case Cancel(order_id):
                return await self._change(self._provider.cancel, order_id)
            case Finish(order_id):
                return await self._change(self._provider.finish, order_id)
            case AskAgain(order_id):
                return await self._change(self._provider.another_sms, order_id)
            case _:
                assert_never(question)

    async def list_active(self) -> ActiveAnswer:
        """All active numbers of the account; not held up by questions about single ones."""
        return await self._heard(lambda: self._provider.check_many(self._turn))

    async def prices(self) -> PricesAnswer:
        return await self._heard(self._provider.prices)

    async def balance(self) -> BalanceAnswer:
        return await self._heard(self._provider.balance)

    async def probe(self) -> None:
        """The one harmless question by which an open breaker is tried."""
        answer = await self._provider.balance()
        self._breaker.probed(answer, time.monotonic())

    async def _heard(self, ask: Callable[[], Awaitable[A]]) -> A:
        await self._turn()
        answer = await ask()
        if not isinstance(answer, NoList):
            self._breaker.heard(answer, time.monotonic())
        return answer

    async def _read_all(self, order_id: str) -> Answer:
        return await self._provider.read_all(order_id, self._turn)

    async def _turn(self) -> None:
        await asyncio.sleep(self._rate.turn_s(time.monotonic()))

    async def _put(self, ask: Callable[[str], Awaitable[Answer]], order_id: str) -> Answer:
        async with self._questions:
            return await self._heard(lambda: ask(order_id))

    async def _change(self, ask: Callable[[str], Awaitable[Answer]], order_id: str) -> Answer:
        async with self._questions:
            await self._turn()
            if not self._books.is_held:
                return NOT_HELD
            answer = await ask(order_id)
        self._breaker.heard(answer, time.monotonic())
        return answer

    async def _buy(self, order: Order, begins: UUID | None) -> Answer:
        async with self._purchases:
            await self._turn()
            if not self._books.is_held:
                return NOT_HELD
            over = asyncio.Event()
            self._buying.add(over)
            try:
                stopped = await self._begun(begins)
                if stopped is not None:
                    return stopped
                answer = await self._provider.buy(order)
                if isinstance(answer, Bought):
                    self.claimed.add(answer.order_id)
            finally:
                self._buying.discard(over)
                over.set()
        self._breaker.heard(answer, time.monotonic())
        return answer

    async def _begun(self, id: UUID | None) -> NoAnswer | None:
        """Write the intent down; why the provider must not be asked, or None."""
        try:
            wanted = id is None or await self._books.purchase_begins(id)
        except SonnetteError:
            return NoAnswer("no_database", sent=False)
        return None if wanted else NoAnswer("not_wanted", sent=False)

    async def _find_lost(self, row: Row) -> Answer:
        """A number in the provider's list that fits and belongs to no activation."""
        under_way = list(self._buying)
        active = await self.list_active()
        if not isinstance(active, ActiveList):
            return active
        if not await _all_over(under_way):
            return NoAnswer("purchases_under_way")
        claimed = set(self.claimed)
        fitting = [entry for entry in active.rows if _fits(entry, row)]
        try:
            ids = [entry.order_id for entry in fitting]
            known = await self._books.taken_orders(ids, row.created_at)
        except SonnetteError:
            return NoAnswer("no_database")
        number = self._claim(fitting, known | claimed)
        return Found(number) if number or active.whole else NoAnswer("list_not_whole")

    def _claim(self, fitting: Sequence[ActiveRow], taken: Collection[str]) -> ActiveRow | None:
        for entry in fitting:
            if entry.order_id not in taken and entry.order_id not in self.claimed:
                self.claimed.add(entry.order_id)
                return entry
        return None


async def _all_over(purchases: Sequence[asyncio.Event]) -> bool:
    """Wait for purchases whose number may stand in the list though its answer is not here yet."""
    try:
        async with asyncio.timeout(OTHER_PURCHASES_S):
            for over in purchases:
                await over.wait()
    except TimeoutError:
        return False
    return True


def _fits(entry: ActiveRow, row: Row) -> bool:
    return (
        entry.alive
        and entry.phone is not None
        and entry.service_code == row.service_code
        and entry.country_code == row.country_code
    )
