"""A provider and the pollers that ask it, for a world that also buys numbers.

The simulator is in the test's own process, so that its side of every purchase is known: in the end
each number that it has sold must be an activation's, none may be sold twice, and each code that it
has must have been stored once. Its dialect knows our order ids, so that nothing stays in doubt.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

from poller.simulated import SimulatedProvider
from poller.simulator import Simulator, utc_now
from process.settings import Address
from tests.chaos.writers import PRICE, Writer
from tests.db_helpers import Connection, rows
from tests.served import served

ACCOUNT = """
[[account]]
name = "simulator"
dialect = "sms-activate"
url = "{url}/stubs/handler_api.php"
api_key = "demo"
cancel_after_s = 0
requests_per_s = 1000
"""
LIVE: LiteralString = """
    select id, status from activations
    where provider = 'simulator' and status in ('requested', 'pending', 'cancelling')
"""
BOUGHT: LiteralString = """
    select a.order_id, a.status, array_remove(array_agg(m.code order by m.id), null) as codes
    from activations a left join messages m on m.activation_id = a.id
    where a.provider = 'simulator' group by a.id
"""
ASK: LiteralString = """
    select sonnette.ask(user_id, id, 'cancel') from activations
    where user_id = %s and provider = 'simulator' and status = 'pending' order by id limit 1
"""


@dataclass(frozen=True)
class Provider:
    """The provider's side."""

    side: SimulatedProvider
    address: Address
    accounts: Path

    async def settled(self, db: Connection) -> bool:
        """Whether nothing is left to come of any purchase."""
        return not await rows(db, LIVE)

    async def differences(self, db: Connection) -> list[str]:
        """Where the provider's side and ours do not agree; must be empty once it is settled."""
        numbers = {number.id: number for number in self.side.numbers(utc_now())}
        bought = await rows(db, BOUGHT)
        orders = Counter(row["order_id"] for row in bought if row["order_id"])
        wrong = [f"number {id} was sold and is nobody's" for id in numbers.keys() - orders.keys()]
        wrong += [f"number {id} was given {n} times" for id, n in orders.items() if n > 1]
        for row in bought:
            number = numbers.get(row["order_id"])
            sent = [sms.code for sms in number.sms] if number is not None else []
            if row["codes"] != sent[: len(row["codes"])]:
                wrong.append(f"number {row['order_id']} has {row['codes']}, and was sent {sent}")
            if row["status"] == "received" and not row["codes"]:
                wrong.append(f"number {row['order_id']} is received without a code")
        return wrong


@asynccontextmanager
async def provider(folder: Path, rng: random.Random) -> AsyncIterator[Provider]:
    """A provider that sells numbers for the length of a block."""
    side = SimulatedProvider(rng, first_id=1000)
    async with served(Simulator(side, utc_now).app()) as address:
        accounts = folder / "accounts.toml"
        accounts.write_text(ACCOUNT.format(url=address.url()))
        yield Provider(side, address, accounts)


class Buyer(Writer):
    """A writer that buys numbers, and now and then cancels one."""

    async def _write(self, db: Connection, mark: str) -> None:
        user = self._user()
        async with db.transaction():
            if self.rng.random() < 0.2:
                await db.execute(ASK, (user,))
            else:
                await db.execute("select sonnette.credit(%s, %s, %s)", (user, PRICE, mark))
                await db.execute("select sonnette.buy(%s, 'wa', '6')", (user,))
            await db.execute("insert into marks values (%s, 0)", (mark,))
