"""Questions under way: bounded, told to the breaker, and no number found by two."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from db.backoff import Backoff
from db.errors import DatabaseUnavailable
from poller.asking import MAX_PURCHASES, MAX_QUESTIONS, Asker
from poller.breaker import Breaker
from poller.providers.answers import (
    AccountRefused,
    ActiveAnswer,
    ActiveList,
    ActiveRow,
    AllAnswer,
    AllSms,
    Balance,
    BalanceAnswer,
    Bought,
    BuyAnswer,
    Cancelled,
    NoAnswer,
    NoList,
    PriceList,
    PricesAnswer,
    SetAnswer,
    StatusAnswer,
    Waiting,
)
from poller.providers.base import Order, Turn, at_once
from poller.rate import Rate
from poller.steps import Buy, Cancel, Check, FindLost, Found
from poller.store import DatabaseClock
from poller.work import Row

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ORDER = Order("a-reference", "wa", "6", None, None)
ROW = Row(
    id=UUID(int=1),
    status="requested",
    order_id=None,
    service_code="wa",
    country_code="6",
    operator=None,
    price=Decimal("0.50"),
    charged=False,
    created_at=NOW,
    updated_at=NOW,
    expires_at=None,
)


def listed(order_id: str, service: str = "wa", country: str = "6") -> ActiveRow:
    return ActiveRow(order_id, "6281234567", service, country)


@dataclass
class Slow:
    """A provider that answers when `go` is set, and says how many questions wait for it."""

    active: ActiveAnswer = field(default_factory=lambda: ActiveList((listed("9"),)))
    bought: BuyAnswer = field(default_factory=lambda: Bought("9", "6281234567"))
    status: StatusAnswer = field(default_factory=Waiting)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    further_pages: int = 0

    async def _wait(self) -> None:
        self.waiting += 1
        await self.go.wait()
        self.waiting -= 1

    async def buy(self, order: Order) -> BuyAnswer:
        await self._wait()
        return self.bought

    async def check_many(self, turn: Turn = at_once) -> ActiveAnswer:
        for _ in range(self.further_pages):
            await turn()
        return self.active

    async def check(self, order_id: str) -> StatusAnswer:
        await self._wait()
        return self.status

    async def read_all(self, order_id: str, turn: Turn = at_once) -> AllAnswer:
        await turn()
        return AllSms()

    async def cancel(self, order_id: str) -> SetAnswer:
        return Cancelled()

    async def finish(self, order_id: str) -> SetAnswer:
        return Cancelled()

    async def another_sms(self, order_id: str) -> SetAnswer:
        return Cancelled()

    async def balance(self) -> BalanceAnswer:
        return Balance(Decimal(1))

    async def prices(self) -> PricesAnswer:
        return PriceList(())


@dataclass
class Known:
    """What the database knows; `during` happens while it is asked."""

    orders: set[str] = field(default_factory=set)
    during: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False
    is_held: bool = True
    wanted: bool = True
    begun: list[UUID] = field(default_factory=list)

    async def purchase_begins(self, id: UUID) -> bool:
        if self.away:
            raise DatabaseUnavailable("it is away")
        self.begun.append(id)
        return self.wanted

    async def taken_orders(self, order_ids: Sequence[str], before: datetime) -> set[str]:
        assert before == ROW.created_at
        if self.away:
            raise DatabaseUnavailable("it is away")
        found = self.orders & set(order_ids)
        self.asked.set()
        if self.during is not None:
            await self.during.wait()
        return found


def asker(
    provider: Slow, known: Known | None = None, rate: Rate | None = None
) -> tuple[Asker, Breaker]:
    breaker = Breaker(Backoff(1, 30, random.Random(1)))
    rate = rate or Rate(10_000)
    return Asker(provider, DatabaseClock(), breaker, rate, known or Known()), breaker


async def settled() -> None:
    """Let every task run as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_purchases_and_questions_are_bounded_apart() -> None:
    provider = Slow()
    asks, _ = asker(provider)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(asks.ask(Buy(ORDER)))
        await settled()
        assert provider.waiting == MAX_PURCHASES
        for _ in range(50):
            tasks.create_task(asks.ask(Check("9")))
        await settled()
        assert provider.waiting == MAX_PURCHASES + MAX_QUESTIONS
        provider.go.set()
    assert provider.waiting == 0


async def test_the_account_s_breaker_hears_every_answer() -> None:
    provider = Slow(status=AccountRefused("BANNED"))
    provider.go.set()
    asks, breaker = asker(provider)
    await asks.ask(Check("9"))
    assert breaker.state.reason == "BANNED"


async def test_a_number_that_nobody_has_is_found_once() -> None:
    asks, _ = asker(Slow())
    assert await asks.ask(FindLost(ROW)) == Found(listed("9"))
    assert await asks.ask(FindLost(ROW)) == Found(None)


async def test_a_number_that_an_activation_has_is_not_lost() -> None:
    asks, _ = asker(Slow(), Known({"9"}))
    assert await asks.ask(FindLost(ROW)) == Found(None)


async def test_only_a_number_of_that_service_and_country_is_it() -> None:
    over = replace(listed("3"), alive=False)
    rows = (listed("1", service="tg"), listed("2", country="0"), over, listed("9"))
    asks, _ = asker(Slow(ActiveList(rows)))
    assert await asks.ask(FindLost(ROW)) == Found(listed("9"))


async def test_a_number_whose_purchase_is_under_way_is_not_lost() -> None:
    provider = Slow()
    asks, _ = asker(provider)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asks.ask(Buy(ORDER)))
        await settled()
        finding = tasks.create_task(asks.ask(FindLost(ROW)))
        await settled()
        assert not finding.done(), "its answer may be that number"
        provider.go.set()
    assert finding.result() == Found(None)


async def test_a_number_that_is_written_while_the_database_is_asked_is_not_lost() -> None:
    provider, known = Slow(), Known(during=asyncio.Event())
    provider.go.set()
    asks, _ = asker(provider, known)
    await asks.ask(Buy(ORDER))
    async with asyncio.TaskGroup() as tasks:
        finding = tasks.create_task(asks.ask(FindLost(ROW)))
        await known.asked.wait()
        asks.claimed.discard("9")  # its COMMIT, after what the database was asked had been read
        assert known.during is not None
        known.during.set()
    assert finding.result() == Found(None)


async def test_without_list_or_database_nothing_is_claimed() -> None:
    asks, _ = asker(Slow(NoAnswer("timeout")))
    assert await asks.ask(FindLost(ROW)) == NoAnswer("timeout")
    asks, _ = asker(Slow(), Known(away=True))
    assert await asks.ask(FindLost(ROW)) == NoAnswer("no_database")
    assert asks.claimed == set()


async def test_what_is_missing_from_a_list_with_gaps_is_not_known_to_be_missing() -> None:
    asks, _ = asker(Slow(ActiveList((), whole=False)))
    assert await asks.ask(FindLost(ROW)) == NoAnswer("list_not_whole")
    asks, _ = asker(Slow(ActiveList((listed("9"),), whole=False)))
    assert await asks.ask(FindLost(ROW)) == Found(listed("9"))


async def test_a_provider_without_a_list_is_in_no_trouble() -> None:
    provider = Slow(NoList(), status=AccountRefused("BANNED"))
    provider.go.set()
    asks, breaker = asker(provider)
    assert await asks.ask(FindLost(ROW)) == NoList()
    assert not breaker.is_open
    await asks.ask(Check("9"))
    await asks.list_active()
    assert breaker.state.reason == "BANNED"


async def test_the_intent_is_written_before_the_provider_hears_of_a_purchase() -> None:
    provider, known = Slow(), Known()
    asks, _ = asker(provider, known)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asks.ask(Buy(ORDER, ROW.id)))
        await settled()
        assert (known.begun, provider.waiting) == ([ROW.id], 1)
        provider.go.set()


@pytest.mark.parametrize(
    ("known", "word"),
    [
        (Known(away=True), "no_database"),
        (Known(wanted=False), "not_wanted"),
        (Known(is_held=False), "account_not_held"),
    ],
)
async def test_without_it_nothing_is_bought_and_the_breaker_hears_of_nothing(
    known: Known, word: str
) -> None:
    provider = Slow()
    asks, breaker = asker(provider, known)
    for _ in range(10):
        assert await asks.ask(Buy(ORDER, ROW.id)) == NoAnswer(word, sent=False)
    assert provider.waiting == 0
    assert not breaker.is_open


async def test_who_may_have_lost_the_account_looks_and_changes_nothing() -> None:
    provider = Slow()
    provider.go.set()
    asks, _ = asker(provider, Known(is_held=False))
    assert await asks.ask(Check("9")) == Waiting()
    assert await asks.ask(Cancel("9")) == NoAnswer("account_not_held", sent=False)


async def test_purchases_and_questions_take_turns_at_the_account_s_rate() -> None:
    provider = Slow()
    provider.go.set()
    asks, _ = asker(provider, rate=Rate(100))
    kinds: list[str] = []

    async def ask(question: Buy | Check) -> None:
        await asks.ask(question)
        kinds.append(type(question).__name__)

    began_s = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for question in [Buy(ORDER)] * 100 + [Check("9")] * 50:
            tasks.create_task(ask(question))
    assert time.monotonic() - began_s >= 0.4, "150 at 100 a second, a second's worth at once"
    assert "Check" in kinds[:20], "a hundred purchases do not stand before a question"
    assert "Buy" in kinds[:20]


async def test_every_page_of_a_list_counts_for_the_rate() -> None:
    rate = Rate(10)
    asks, _ = asker(Slow(further_pages=7), rate=rate)
    began_s = time.monotonic()
    await asks.list_active()
    # A second's worth may be asked at once: the eight pages and two more.
    assert [rate.turn_s(began_s) for _ in range(3)][-1] > 0
