"""Results are written a batch in one transaction, each whole or not at all, and without waiting."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from poller.providers.answers import Sms
from poller.saving import save
from poller.session import AccountHeld, Session, hold
from poller.store import DatabaseClock, Store
from poller.work import Ended, NumberBought, Outcome, PurchaseFailed, Row, SmsArrived
from tests.fixtures.postgres import Database
from tests.market import ACCOUNT, Market, market

NOW = datetime.now(UTC)
SMS = SmsArrived(Sms("358042"), NOW, "9:1:x")


@dataclass
class Desk:
    """A market, and the poller's session in it."""

    market: Market
    session: Session
    database: Database

    async def row(self, id: UUID) -> Row:
        """The activation as the poller reads it."""
        rows = await Store(self.session, DatabaseClock()).due([], 1000)
        return next(row for row in rows if row.id == id)

    async def pending(self, user: UUID) -> Row:
        return await self.row(await self.market.pending(user))

    async def requested(self, user: UUID) -> Row:
        return await self.row(await self.market.buy(user))

    async def one(self, column: str, table: str, id: UUID) -> object:
        statement = psycopg.sql.SQL("select {} from {} where {} = %s").format(
            psycopg.sql.Identifier(column),
            psycopg.sql.Identifier(*table.split(".")),
            psycopg.sql.Identifier("activation_id" if table != "public.activations" else "id"),
        )
        row = await (await self.market.operator.execute(statement, (id,))).fetchone()
        return row[0] if row else None

    async def status(self, row: Row) -> object:
        return await self.one("status", "public.activations", row.id)


@pytest_asyncio.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with (
        market(database) as people,
        hold(database.dsn("sonnette_poller"), ACCOUNT) as session,
    ):
        yield Desk(people, session, database)


def bought(row: Row, order_id: str) -> Outcome:
    change = NumberBought(order_id, "6281234567", None, NOW, NOW + timedelta(minutes=20))
    return Outcome(row, (change,), look_at=NOW + timedelta(seconds=5))


async def test_a_batch_is_one_transaction(desk: Desk) -> None:
    user = await desk.market.new_user()
    rows = [await desk.pending(user) for _ in range(3)]
    saved = await save(desk.session, [Outcome(row, (SMS,)) for row in rows])
    assert saved.saved == {row.id for row in rows}
    assert [await desk.status(row) for row in rows] == ["received"] * 3
    cursor = await desk.market.operator.execute(
        "select count(distinct tx) from sonnette.changes where record->>'status' = 'received'"
    )
    assert await cursor.fetchone() == (1,)


async def test_an_outcome_is_whole_or_not_and_does_not_sink_the_others(desk: Desk) -> None:
    user = await desk.market.new_user()
    bad, good = await desk.pending(user), await desk.pending(user)
    # A received row cannot time out: the SMS before it must not stand alone.
    impossible = Outcome(bad, (SMS, Ended("timeout")))
    saved = await save(desk.session, [impossible, Outcome(good, (SMS,))])
    assert saved.refused == [impossible]
    assert await desk.status(good) == "received"
    assert await desk.status(bad) == "pending"
    assert await desk.one("code", "public.messages", bad.id) is None
    assert await desk.one("last_error", "sonnette.work", bad.id) == "not written: SN409"


async def test_an_order_that_another_activation_has_is_refused_alone(desk: Desk) -> None:
    user = await desk.market.new_user()
    one, other = await desk.requested(user), await desk.requested(user)
    saved = await save(desk.session, [bought(one, "9"), bought(other, "9")])
    assert len(saved.refused) == 1
    assert sorted([str(await desk.status(one)), str(await desk.status(other))]) == [
        "pending",
        "requested",
    ]


async def test_the_same_sms_twice_is_stored_once_and_said(desk: Desk) -> None:
    row = await desk.pending(await desk.market.new_user())
    await save(desk.session, [Outcome(row, (SMS,))])
    again = Outcome(row, (SMS,))
    saved = await save(desk.session, [again])
    assert saved.missed == [(again, SMS)]
    assert await desk.one("sms_count", "public.activations", row.id) == 1


async def test_a_row_that_somebody_holds_is_left_out_at_once(desk: Desk) -> None:
    user = await desk.market.new_user()
    held, other = await desk.pending(user), await desk.pending(await desk.market.new_user())
    async with await psycopg.AsyncConnection.connect(desk.database.dsn()) as operator:
        await operator.execute("select from activations where id = %s for update", (held.id,))
        saved = await save(desk.session, [Outcome(held, (SMS,)), Outcome(other, (SMS,))])
    assert (saved.saved, saved.held, saved.refused) == ({other.id}, {held.id}, [])
    assert await desk.status(held) == "pending"


async def test_an_outcome_for_a_row_that_changed_meanwhile_writes_its_news_alone(
    desk: Desk,
) -> None:
    user = await desk.market.new_user()
    over, news = await desk.pending(user), await desk.pending(user)
    for row in (over, news):
        await desk.market.operator.execute(
            "update activations set status = 'cancelling' where id = %s", (row.id,)
        )
    saved = await save(
        desk.session,
        [
            Outcome(over, (Ended("timeout"),), look_at=NOW + timedelta(days=1)),
            Outcome(news, (SMS,), look_at=NOW + timedelta(days=1)),
        ],
    )
    assert saved.missed == []
    assert await desk.status(over) == "cancelling"
    assert await desk.status(news) == "received"
    next_at = await desk.one("next_check_at", "sonnette.work", over.id)
    assert isinstance(next_at, datetime)
    assert next_at < NOW + timedelta(hours=12), "the cancel stays due"


@pytest.mark.parametrize("change", [PurchaseFailed("no_numbers"), Ended("cancelled")])
async def test_what_changes_nothing_is_said(desk: Desk, change: PurchaseFailed | Ended) -> None:
    row = await desk.pending(await desk.market.new_user())
    await save(desk.session, [Outcome(row, (Ended("timeout"),))])
    over = Outcome(Row(**(vars(row) | {"status": "timeout"})), (change,))
    assert (await save(desk.session, [over])).missed == [(over, change)]


async def test_a_row_is_looked_at_again_when_it_was_said(desk: Desk) -> None:
    row = await desk.pending(await desk.market.new_user())
    at = NOW + timedelta(hours=1)
    await save(desk.session, [Outcome(row, look_at=at, error="check: html")])
    assert await desk.one("next_check_at", "sonnette.work", row.id) == at
    assert await desk.one("last_error", "sonnette.work", row.id) == "check: html"
    assert await desk.one("attempts", "sonnette.work", row.id) == row.attempts + 1


async def test_an_account_is_held_by_one(desk: Desk) -> None:
    dsn = desk.database.dsn("sonnette_poller")
    with pytest.raises(AccountHeld):
        async with hold(dsn, ACCOUNT):
            pass
    async with hold(dsn, "another-account"):
        pass
