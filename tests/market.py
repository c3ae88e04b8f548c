"""What happens to users and their numbers, done as the process does it whose part it is.

Each call is one committed transaction by that process's own role: the operator credits and deletes,
the service buys, the poller brings numbers and codes. So tests of a reader need no other process.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fixtures.postgres import Database

Connection = AsyncConnection[TupleRow]

ACCOUNT = "simulator"
SERVICE = "wa"
COUNTRY = "6"
LIFETIME = timedelta(minutes=20)

STOCK: LiteralString = """
    with account as (
        insert into sonnette.accounts (name, dialect) values (%s, 'sms-activate')
    )
    insert into sonnette.offers (account, service_code, country_code, provider_price, price, stock)
    values (%s, %s, %s, 0.5, 0.5, 1000)
"""


@dataclass(frozen=True)
class Market:
    """Users, numbers and codes in one database."""

    owner: Connection
    operator: Connection
    service: Connection
    poller: Connection

    async def new_user(self, money: str = "10.00") -> UUID:
        """A user with that much money."""
        user = uuid4()
        await self.credit(user, money)
        return user

    async def buy(self, user: UUID) -> UUID:
        """An activation of theirs, `requested`; its id."""
        return await self._id(
            self.service, "select (sonnette.buy(%s, %s, %s)).id", user, SERVICE, COUNTRY
        )

    async def bring_number(self, activation: UUID) -> str:
        """The provider's number for it, now `pending`; the phone."""
        now = datetime.now(UTC)
        phone = f"628{activation.int % 10**9:09d}"
        await self._did(
            self.poller,
            "select sonnette.number_bought(%s, %s, %s, 'any', %s, %s)",
            activation, str(activation.int % 10**10), phone, now, now + LIFETIME,
        )  # fmt: skip
        return phone

    async def bring_code(self, activation: UUID, code: str) -> None:
        """One SMS with that code; the activation is `received`."""
        await self._did(
            self.poller,
            "select sonnette.sms_arrived(%s, %s, %s, 'WhatsApp', now(), 'poller', %s)",
            activation, code, f"Your code is {code}", code,
        )  # fmt: skip

    async def end(self, activation: UUID, status: str) -> None:
        """The provider has ended it: cancelled, timeout, failed or completed."""
        await self._did(
            self.poller, "select sonnette.end_activation(%s, %s, null)", activation, status
        )

    async def pending(self, user: UUID) -> UUID:
        """An activation of theirs that has its number and waits for a code."""
        activation = await self.buy(user)
        await self.bring_number(activation)
        return activation

    async def received(self, user: UUID, code: str) -> UUID:
        """An activation of theirs that has its code."""
        activation = await self.pending(user)
        await self.bring_code(activation, code)
        return activation

    async def credit(self, user: UUID, amount: str) -> None:
        """More money."""
        await self.operator.execute("select sonnette.credit(%s, %s, 'a test')", (user, amount))

    async def delete(self, activation: UUID) -> None:
        """What an operator does to a row that should not be there."""
        await self.operator.execute("delete from public.activations where id = %s", (activation,))

    async def note(self, activation: UUID, operator: str) -> None:
        """An UPDATE that neither moves money nor changes the status."""
        await self.operator.execute(
            "update public.activations set operator = %s where id = %s", (operator, activation)
        )

    async def renew_history(self) -> None:
        """What a database put back from a backup is to its readers: another history."""
        await self.owner.execute("update sonnette.epoch set id = gen_random_uuid()")

    async def asked(self, activation: UUID, kind: str) -> bool:
        """Whether its user has asked for that: check, cancel, finish, another or recover."""
        cursor = await self.poller.execute(
            "select 1 from sonnette.requests where activation_id = %s and kind = %s",
            (activation, kind),
        )
        return await cursor.fetchone() is not None

    async def feed_seq(self, user: UUID) -> int:
        """How far the user's feed is."""
        cursor = await self.operator.execute(
            "select last_seq from sonnette.feeds where user_id = %s", (user,)
        )
        row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def row_on_feed(self, user: UUID, seq: int) -> tuple[str, str]:
        """The new and the old row that the feed has under `seq`, JSON text; '' where none."""
        cursor = await self.operator.execute(
            """select coalesce(c.record::text, ''), coalesce(c.old::text, '')
               from sonnette.numbers f join sonnette.changes c using (tx, n)
               where f.user_id = %s and f.seq = %s""",
            (user, seq),
        )
        row = await cursor.fetchone()
        assert row is not None, f"the feed has no {seq}"
        return str(row[0]), str(row[1])

    @staticmethod
    async def _id(connection: Connection, query: LiteralString, *values: object) -> UUID:
        row = await (await connection.execute(query, values)).fetchone()
        assert row is not None
        assert isinstance(row[0], UUID)
        return row[0]

    @staticmethod
    async def _did(connection: Connection, query: LiteralString, *values: object) -> None:
        row = await (await connection.execute(query, values)).fetchone()
        assert row
        assert row[0], "nothing was changed"


@asynccontextmanager
async def market(database: Database) -> AsyncIterator[Market]:
    """The market of `database`, with something on offer."""
    async with (
        await _as(database, "postgres") as owner,
        await _as(database, "sonnette_operator") as operator,
        await _as(database, "sonnette_service") as service,
        await _as(database, "sonnette_poller") as poller,
    ):
        await poller.execute(STOCK, (ACCOUNT, ACCOUNT, SERVICE, COUNTRY))
        yield Market(owner, operator, service, poller)


async def _as(database: Database, role: str) -> Connection:
    return await AsyncConnection.connect(database.dsn(role), autocommit=True)
