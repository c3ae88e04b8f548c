"""Who keeps writing while the world breaks, and knows what of it was committed.

Each transaction leaves a mark of its own in the table `marks`, with how many rows of `cargo` it
inserted under that mark; rows of negative numbers are a test's own. Where the answer to COMMIT is
lost, the mark tells later whether it was done. So in the end every write that was acknowledged must
be there, and each just once.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

import psycopg

from db.backoff import Backoff
from tests.chaos.timeline import Timeline
from tests.db_helpers import Connection, value

STATEMENT_LIMIT_MS = 10_000
CONNECT_LIMIT_S = 3
PRICE = "0.50"
BUY: LiteralString = """
    insert into activations (user_id, provider, service_code, country_code, status, price)
    values (%s, 'nobody', 'wa', '6', 'pending', %s)
"""
# One user's alone: writers that lock several users' rows in a statement could meet in a deadlock.
PENDING: LiteralString = """
    where id = (select id from activations where user_id = %s and status = 'pending'
                and provider = 'nobody' order by id limit 1 for no key update skip locked)
"""
RECEIVE: LiteralString = (
    "update activations set status = 'received', sms_code = '123456', sms_text = 'It is 123456'"
    + PENDING
)
CANCEL: LiteralString = "update activations set status = 'cancelled'" + PENDING

Transaction = Callable[[Connection, str], Awaitable[int]]


@dataclass
class Writer:
    """Writes rows of `users` until told to stop; `pause_s` between two transactions.

    `committed`: the marks of what is in the database. `money`: whether it also buys and receives.
    """

    name: str
    dsn: str
    users: Sequence[UUID]
    rng: random.Random
    timeline: Timeline
    pause_s: float = 0.01
    money: bool = True
    committed: list[str] = field(default_factory=list)
    _number: int = 0
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Write until `stop`; over as many connections as it takes."""
        backoff = Backoff(0.05, 0.5, self.rng)
        unknown: str | None = None
        while not self._stop.is_set():
            try:
                async with await self._connected() as db:
                    if unknown is not None:
                        await self._read_back(db, unknown)
                        unknown = None
                    backoff.reset()
                    while not self._stop.is_set():
                        unknown = self._next_mark()
                        await self._write(db, unknown)
                        self.committed.append(unknown)
                        unknown = None
                        await asyncio.sleep(self.pause_s)
            except psycopg.Error as error:
                self.timeline.say(self.name, f"could not write: {_first_line(error)}")
                await asyncio.sleep(backoff.next_s())
        if unknown is not None:
            await self._read_back_at_last(unknown)

    def stop(self) -> None:
        """Finish what is under way and write no more."""
        self._stop.set()

    async def _connected(self) -> Connection:
        return await Connection.connect(
            self.dsn, autocommit=True, connect_timeout=CONNECT_LIMIT_S,
            options=f"-c statement_timeout={STATEMENT_LIMIT_MS}",
        )  # fmt: skip

    async def _write(self, db: Connection, mark: str) -> None:
        """One transaction."""
        wanted = [self._insert, self._insert, self._update, self._delete, self._many, self._part]
        if self.money:
            wanted += [self._buy, self._receive, self._cancel]
        async with db.transaction():
            inserted = await self.rng.choice(wanted)(db, mark)
            await db.execute("insert into marks values (%s, %s)", (mark, inserted))

    async def _insert(self, db: Connection, mark: str) -> int:
        await db.execute(
            "insert into cargo values (%s, %s, %s, %s)",
            (self._id(), self._user(), mark, self.rng.choice([1, 2.5, 100])),
        )
        return 1

    async def _update(self, db: Connection, mark: str) -> int:
        await db.execute(
            "update cargo set note = %s where id = (select id from cargo where owner = %s"
            " and id >= 0 order by id desc limit 1 offset %s)",
            (f"{mark} again", self._user(), self.rng.randrange(5)),
        )
        return 0

    async def _delete(self, db: Connection, mark: str) -> int:
        await db.execute(
            "delete from cargo where id = (select min(id) from cargo where owner = %s and id >= 0"
            " having count(*) > 20)",
            (self._user(),),
        )
        return 0

    async def _many(self, db: Connection, mark: str) -> int:
        """Several users in one transaction, and one row twice."""
        some = self.users[:3]
        for user in some:
            id = self._id()
            await db.execute("insert into cargo values (%s, %s, %s)", (id, user, mark))
            await db.execute("update cargo set weight = 7 where id = %s", (id,))
        return len(some)

    async def _part(self, db: Connection, mark: str) -> int:
        """What is rolled back to a savepoint was never there."""
        inserted = await self._insert(db, mark)
        async with db.transaction(force_rollback=True):
            await self._insert(db, mark)
        return inserted

    async def _buy(self, db: Connection, mark: str) -> int:
        user = self._user()
        await db.execute("select sonnette.credit(%s, %s, %s)", (user, PRICE, mark))
        await db.execute(BUY, (user, PRICE))
        return 0

    async def _receive(self, db: Connection, mark: str) -> int:
        await db.execute(RECEIVE, (self._user(),))
        return 0

    async def _cancel(self, db: Connection, mark: str) -> int:
        await db.execute(CANCEL, (self._user(),))
        return 0

    async def _read_back(self, db: Connection, mark: str) -> None:
        """What became of a transaction whose answer was lost."""
        if await value(db, "select true from marks where mark = %s", mark):
            self.timeline.say(self.name, f"{mark} was committed after all")
            self.committed.append(mark)

    async def _read_back_at_last(self, mark: str) -> None:
        async with await self._connected() as db:
            await self._read_back(db, mark)

    def _next_mark(self) -> str:
        self._number += 1
        return f"{self.name}:{self._number}"

    def _id(self) -> int:
        return self.rng.getrandbits(31)

    def _user(self) -> UUID:
        return self.rng.choice(self.users)


def _first_line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
