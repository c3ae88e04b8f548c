"""A poller at work: the real process's code, a real database, and the simulator over real HTTP.

`Polling` is what a test sees of it: users who buy, an operator who types SQL, the provider's side,
and what the database says came of it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import LiteralString
from uuid import UUID, uuid4

import httpx
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from poller import accounts
from poller.__main__ import serve_until
from poller.simulated import Number, SimulatedProvider
from poller.simulator import Simulator, utc_now
from poller.strangers import STRANGE_FOR_S
from process.settings import Address, Settings
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.served import free_address, served

ENDINGS = ("completed", "cancelled", "timeout", "failed")


@dataclass(frozen=True)
class Polling:
    """`db` is a superuser's connection, `web` an HTTP client; `poller` is where health is."""

    db: AsyncConnection[DictRow]
    provider: SimulatedProvider
    simulator: Address
    poller: Address
    web: httpx.AsyncClient

    async def user(self, money: str = "10.00") -> UUID:
        user = uuid4()
        await self.execute("select sonnette.credit(%s, %s, 'a test')", user, money)
        return user

    async def script(self, **said: object) -> None:
        """Tell the simulator how to behave."""
        answer = await self.web.post(f"{self.simulator.url()}/sim/script", json=said)
        assert answer.status_code == 204, answer.text

    async def buy(self, user: UUID, service: str = "wa") -> UUID:
        row = await self.one("select (sonnette.buy(%s, %s, '6')).id", user, service)
        assert isinstance(row["id"], UUID)
        return row["id"]

    async def bought(self, user: UUID, service: str = "wa") -> UUID:
        """A purchase that has its number."""
        id = await self.buy(user, service)
        await self.becomes(id, "pending")
        return id

    async def bought_and_received(self, user: UUID) -> UUID:
        """A purchase that has its SMS."""
        id = await self.buy(user)
        await self.becomes(id, "received")
        return id

    async def ask(self, user: UUID, id: UUID, kind: str) -> int:
        """The id of the request."""
        row = await self.one("select (sonnette.ask(%s, %s, %s)).id", user, id, kind)
        return int(str(row["id"]))

    async def answered(self, request: int) -> str:
        """The outcome of a request, once there is one."""

        async def outcome() -> object:
            row = await self.one("select outcome from sonnette.requests where id = %s", request)
            return row["outcome"]

        return str(await eventually(outcome))

    async def becomes(self, id: UUID, status: str, timeout_s: float = 10) -> DictRow:
        """The activation, once it has that status."""

        async def found() -> DictRow:
            row = await self.activation(id)
            assert row["status"] == status or row["status"] not in ENDINGS, row["status"]
            return row if row["status"] == status else {}

        return await eventually(found, timeout_s)

    async def activation(self, id: UUID) -> DictRow:
        return await self.one("select * from public.activations where id = %s", id)

    async def work(self, id: UUID) -> DictRow:
        return await self.one("select * from sonnette.work where activation_id = %s", id)

    async def wallet(self, user: UUID) -> tuple[str, str]:
        """Balance and frozen; checked against the ledger."""
        row = await self.one("select * from public.wallets where user_id = %s", user)
        told = await self.one(
            """select sum(case kind when 'credit' then amount
                          when 'commit' then -amount else 0 end) as balance,
                      sum(case when kind = 'freeze' then amount
                          when kind in ('commit', 'refund') then -amount else 0 end) as frozen
               from public.ledger where user_id = %s""",
            user,
        )
        assert (row["balance"], row["frozen"]) == (told["balance"], told["frozen"])
        return str(row["balance"]), str(row["frozen"])

    async def messages(self, id: UUID) -> list[tuple[object, object]]:
        """Code and text of each stored SMS, oldest first."""
        cursor = await self.db.execute(
            "select code, text from public.messages where activation_id = %s order by id", (id,)
        )
        return [(row["code"], row["text"]) for row in await cursor.fetchall()]

    async def number(self, id: UUID) -> Number:
        """The provider's side of a purchase."""
        row = await self.activation(id)
        return self.provider.find(str(row["order_id"]), utc_now())

    async def sms(self, id: UUID, code: str = "358042") -> None:
        """One more SMS arrives on its number, at the provider."""
        self.provider.deliver(await self.number(id), f"Your code is {code}", None, utc_now())

    async def chaos(self, **rates: float) -> None:
        """From now on so much goes wrong at the provider; nothing without rates."""
        answer = await self.web.post(f"{self.simulator.url()}/sim/chaos", json=rates)
        assert answer.status_code == 204, answer.text

    @asynccontextmanager
    async def locked(self, id: UUID) -> AsyncIterator[None]:
        """Somebody holds the activation's row: answers come, and cannot be written."""
        async with await AsyncConnection.connect(self.db.info.dsn) as operator:
            await operator.execute("select from activations where id = %s for update", (id,))
            yield

    async def has_messages(self, id: UUID, count: int) -> bool:
        return len(await self.messages(id)) == count

    async def expire(self, id: UUID) -> None:
        """Let its time be over now."""
        await self.execute(
            "update public.activations set expires_at = clock_timestamp() where id = %s", id
        )
        await self.execute(
            "update sonnette.work set next_check_at = now() where activation_id = %s", id
        )
        await self.execute("select pg_notify('sonnette_work', '*')")

    async def looked_at(self, id: UUID, more: int = 2) -> DictRow:
        """The work row, after `more` further looks were written."""
        before = (await self.work(id))["attempts"]

        async def row() -> DictRow:
            found = await self.work(id)
            return found if found["attempts"] >= before + more else {}

        return await eventually(row)

    async def metric(self, name: str, **labels: str) -> float:
        """One figure of /metrics; 0 where it is not there."""
        text = (await self.web.get(f"{self.poller.url()}/metrics")).text
        for line in text.splitlines():
            wanted = [f'{label}="{value}"' for label, value in labels.items()]
            if line.startswith((f"{name}{{", f"{name} ")) and all(w in line for w in wanted):
                return float(line.rpartition(" ")[2])
        return 0.0

    async def one(self, statement: LiteralString, *values: object) -> DictRow:
        row = await (await self.db.execute(statement, values)).fetchone()
        assert row is not None, "no such row"
        return row

    async def execute(self, statement: LiteralString, *values: object) -> None:
        await self.db.execute(statement, values)


def settings_for(
    database: Database, simulator: Address, others: Mapping[str, object] | None = None
) -> Settings:
    plain = Settings(
        home=Path("/nowhere"),
        database_url=database.dsn("sonnette_poller"),
        simulator_listen=simulator,
        poller_listen=free_address(),
    )
    return replace(plain, **(others or {}))  # type: ignore[arg-type]


@asynccontextmanager
async def running(
    settings: Settings, strange_for_s: float = STRANGE_FOR_S, **account: object
) -> AsyncIterator[None]:
    """The poller, ready at the first line of the block and gone after its last.

    `account`: what is different about the simulator's account, such as its dialect.
    `strange_for_s`: after how long a number that nobody here bought counts as an orphan.
    """
    stop = asyncio.Event()
    simulator = replace(accounts.simulator(settings), **account)  # type: ignore[arg-type]
    served = [simulator] if settings.providers is None else None
    async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(trust_env=False) as web:
        tasks.create_task(serve_until(stop, settings, served=served, strange_for_s=strange_for_s))
        try:
            await ready(web, settings.poller_listen)
            yield
        finally:
            stop.set()


async def ready(web: httpx.AsyncClient, poller: Address) -> None:
    async def is_ready() -> bool:
        try:
            return (await web.get(f"{poller.url()}/readyz")).status_code == 200
        except httpx.ConnectError:
            return False

    await eventually(is_ready)


@asynccontextmanager
async def simulated(
    database: Database, provider: SimulatedProvider | None = None, dialect: str = "sms-activate"
) -> AsyncIterator[tuple[Polling, Settings]]:
    """Everything but the poller; start it with `running(settings)`."""
    # Ids and codes of the same seed, so that a failure can be seen again.
    simulator = Simulator(provider or SimulatedProvider(random.Random(1), first_id=1000), utc_now)
    side = simulator.accounts.of[dialect]
    async with (
        served(simulator.app()) as address,
        await AsyncConnection.connect(database.dsn(), autocommit=True, row_factory=dict_row) as db,
        httpx.AsyncClient(trust_env=False) as web,
    ):
        settings = settings_for(database, address)
        yield Polling(db, side, address, settings.poller_listen, web), settings


@asynccontextmanager
async def polling(database: Database) -> AsyncIterator[Polling]:
    """Everything, ready."""
    async with simulated(database) as (world, settings), running(settings):
        yield world
