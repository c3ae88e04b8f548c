"""Follows courses: puts their questions to the provider and hands the answers back.

Promised to the worker: a bounded number of questions is under way at once, purchases apart from the
others, so that slow sales never delay codes; a number that was found again is given to one
activation only.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import assert_never

from db.errors import SonnetteError
from poller.patience import Patience
from poller.providers.answers import ActiveAnswer, ActiveList, ActiveRow, Bought, NoAnswer, NoList
from poller.providers.base import Order, Provider
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

# The orders among these that activations in the database have.
KnownOrders = Callable[[Sequence[str]], Awaitable[set[str]]]


class Asker:
    """One for each account. `claimed` orders are ours, though the database may not know it yet."""

    def __init__(
        self,
        provider: Provider,
        clock: DatabaseClock,
        patience: Patience,
        known_orders: KnownOrders,
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._patience = patience
        self._known_orders = known_orders
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
            case Buy(order):
                return await self._buy(order)
            case FindLost(row):
                return await self._find_lost(row)
            case Check(order_id):
                return await self._put(self._provider.check, order_id)
            case ReadAll(order_id):
                return await self._put(self._provider.read_all, order_id)
            case Cancel(order_id):
                return await self._put(self._provider.cancel, order_id)
            case Finish(order_id):
                return await self._put(self._provider.finish, order_id)
            case AskAgain(order_id):
                return await self._put(self._provider.another_sms, order_id)
            case _:
                assert_never(question)

    async def list_active(self) -> ActiveAnswer:
        """All active numbers of the account; not held up by questions about single ones."""
        answer = await self._provider.check_many()
        if not isinstance(answer, NoList):
            self._patience.heard(answer, time.monotonic())
        return answer

    async def _put(self, ask: Callable[[str], Awaitable[Answer]], order_id: str) -> Answer:
        async with self._questions:
            answer = await ask(order_id)
        self._patience.heard(answer, time.monotonic())
        return answer

    async def _buy(self, order: Order) -> Answer:
        async with self._purchases:
            over = asyncio.Event()
            self._buying.add(over)
            try:
                answer = await self._provider.buy(order)
                if isinstance(answer, Bought):
                    self.claimed.add(answer.order_id)
            finally:
                self._buying.discard(over)
                over.set()
        self._patience.heard(answer, time.monotonic())
        return answer

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
            known = await self._known_orders([entry.order_id for entry in fitting])
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
