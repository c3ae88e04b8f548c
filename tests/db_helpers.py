"""What tests of the database say often: users, money, activations, and what stands on a feed."""

import uuid
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

Connection = AsyncConnection[TupleRow]

ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")


async def give_money(db: Connection, user: UUID, amount: str = "10") -> None:
    """Credit a user."""
    await db.execute("select sonnette.credit(%s, %s, 'test')", (user, amount))


async def make_user(db: Connection, user: UUID | None = None) -> UUID:
    """A user without a wallet, whose feed is therefore empty."""
    made = user or uuid.uuid4()
    await db.execute("insert into users (id) values (%s)", (made,))
    return made


async def make_offer(db: Connection, price: str = "0.50", stock: int = 1000) -> None:
    """The service wa in country 6, at the account `simulator`."""
    await db.execute(
        "insert into sonnette.accounts (name, dialect) values ('simulator', 'sms-activate')"
        " on conflict do nothing"
    )
    await db.execute(
        "insert into sonnette.offers (account, service_code, country_code, provider_price, price,"
        " stock) values ('simulator', 'wa', '6', %(price)s, %(price)s, %(stock)s)",
        {"price": price, "stock": stock},
    )


async def make_activation(
    db: Connection, user: UUID, price: str = "0", status: str = "pending"
) -> UUID:
    """An activation as an operator would insert it."""
    return UUID(
        str(
            await value(
                db,
                "insert into activations (user_id, provider, service_code, country_code, status,"
                " price) values (%s, 'simulator', 'wa', '6', %s, %s) returning id",
                user,
                status,
                price,
            )
        )
    )


async def value(db: Connection, query: str, *parameters: object) -> Any:
    """The first column of the first row."""
    # psycopg wants literal SQL, which a helper's argument is not.
    row = await (await db.execute(query.encode(), parameters)).fetchone()
    return None if row is None else row[0]


async def rows(db: Connection, query: str, *parameters: object) -> list[dict[str, Any]]:
    """All rows as dictionaries."""
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchall()


async def feed_of(db: Connection, user: UUID) -> list[dict[str, Any]]:
    """A user's feed: seq, op, table_name, record and old (as dictionaries)."""
    return await rows(
        db,
        "select n.seq, c.op, c.table_schema, c.table_name, c.record, c.old, c.tx::text as tx"
        " from sonnette.numbers n join sonnette.changes c using (tx, n)"
        " where n.user_id = %s order by n.seq",
        user,
    )


async def events_of(db: Connection, user: UUID) -> list[tuple[int, str, str]]:
    """The same in short: (seq, op, table_name)."""
    return [(c["seq"], c["op"], c["table_name"]) for c in await feed_of(db, user)]


async def wallet_of(db: Connection, user: UUID) -> tuple[str, str]:
    """(balance, frozen) as text."""
    found: Mapping[str, Any] = (
        await rows(db, "select balance, frozen from wallets where user_id = %s", user)
    )[0]
    return str(found["balance"]), str(found["frozen"])
