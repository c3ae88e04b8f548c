"""The price list as users see it: marked up, rounded half up, and gone when it is gone."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from poller import offers
from poller.accounts import Account
from poller.breaker import State
from poller.providers.answers import Price, PriceList
from poller.session import Session, hold
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, polling

Connection = AsyncConnection[TupleRow]
NAME = "first"


@pytest_asyncio.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with hold(database.dsn("sonnette_poller"), NAME) as held:
        yield held


def account(markup: str = "1") -> Account:
    return Account(NAME, "sms-activate", "http://provider.example", "key", Decimal(markup))


def listed(cost: str, service: str = "wa", stock: int = 7) -> Price:
    return Price(service, "6", Decimal(cost), stock)


async def stored(session: Session, account: Account, found: PriceList) -> None:
    await offers.seen(session, account, State(), None)
    await offers.store(session, account, found)


@pytest.mark.parametrize(
    ("cost", "markup", "price"),
    [
        ("0.5", "1", "0.50"),
        ("0.333", "1.5", "0.50"),
        ("0.10", "1.25", "0.13"),
        ("0.125", "1", "0.13"),
        ("0.1249", "1", "0.12"),
        ("12.3456", "2", "24.69"),
    ],
)
async def test_a_price_is_marked_up_and_rounded_half_up(
    session: Session, db: Connection, cost: str, markup: str, price: str
) -> None:
    await stored(session, account(markup), PriceList((listed(cost),)))
    assert await prices(db) == {"wa": (price, 7)}


async def test_a_new_list_replaces_the_old_one(session: Session, db: Connection) -> None:
    first = PriceList((listed("0.5"), listed("0.6", "tg")))
    await stored(session, account(), first)
    await stored(session, account(), PriceList((listed("0.7", stock=9),)))
    assert await prices(db) == {"wa": ("0.70", 9), "tg": ("0.60", 0)}


async def test_how_the_account_does_is_seen_and_changes_no_price(
    session: Session, db: Connection
) -> None:
    await stored(session, account(), PriceList((listed("0.5"),)))
    await offers.seen(session, account(), State("open", "timeout", 5), 30)
    assert await prices(db) == {"wa": ("0.50", 7)}
    row = await (
        await db.execute(
            "select state, state_reason, failures, open_until > now() from sonnette.accounts"
        )
    ).fetchone()
    assert row == ("open", "timeout", 5, True)


async def test_a_price_beyond_all_money_is_left_out(session: Session, db: Connection) -> None:
    dear = PriceList((listed("99999999"), listed("1", "tg")))
    await stored(session, account("999"), dear)
    assert await prices(db) == {"tg": ("999.00", 7)}


async def prices(db: Connection) -> dict[str, tuple[str, int]]:
    """Price and stock of each service."""
    cursor = await db.execute("select service_code, price::text, stock from sonnette.offers")
    return {service: (price, stock) for service, price, stock in await cursor.fetchall()}


async def test_the_simulator_s_list_is_there_when_the_poller_is_ready(database: Database) -> None:
    async with polling(database) as world:
        cursor = await world.db.execute(
            "select distinct account, country_code, price::text, stock from sonnette.offers"
        )
        rows = [tuple(row.values()) for row in await cursor.fetchall()]
        assert sorted(rows) == [("simulator", "0", "0.50", 1000), ("simulator", "6", "0.50", 1000)]
        assert await eventually(lambda: balance(world)) == 1_000_000


async def balance(world: Polling) -> float:
    return await world.metric("sonnette_poller_balance", account="simulator")
