"""A whole Sonnette to be broken: Postgres, gateways, writers and clients, and every line between.

`World` starts each of them as a process or a task of its own, knows what was done to them, and in
the end waits by a fence until every client has what the log holds, and lets the checker judge. It
leaves nothing behind. Faults are done through its parts: `postgres`, `gateways[n].process`, `.line`
(to Postgres) and `.door` (to the clients); say them to `timeline`, which the checker believes.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg

from tests.chaos import checker, gatewaylog, truth
from tests.chaos.checker import Finding, Truth
from tests.chaos.client import USUAL, Client, Door, Manners
from tests.chaos.machines import NO_SETTINGS, Machines
from tests.chaos.machines import Gateway as Gateway
from tests.chaos.postgres import OwnPostgres, Template, own_postgres
from tests.chaos.record import Rows
from tests.chaos.writers import Writer
from tests.facts import eventually
from tests.proxy import Proxy

JOIN_LIMIT_S = 30
SETTLE_LIMIT_S = 60


@dataclass
class World(Machines):
    """Everything that runs. `resyncs`: reasons for which a client may have to read anew here.

    Clients, writers and processes may be added at any time; all end with the world.
    """

    tasks: asyncio.TaskGroup = field(kw_only=True)
    clients: list[Client] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    resyncs: set[str] = field(default_factory=set)
    _running: list["asyncio.Task[None]"] = field(default_factory=list)
    _writing: list["asyncio.Task[None]"] = field(default_factory=list)

    async def client(
        self, user: UUID, name: str = "", doors: list[Door] | None = None,
        manners: Manners = USUAL, joined: bool = True, kind: type[Client] = Client,
    ) -> Client:  # fmt: skip
        """A client of the user's, at all gateways in turn unless `doors` says where."""
        doors = doors or [gateway.address for gateway in self.gateways]
        name = name or f"client-{len(self.clients)}"
        one = kind(name, user, doors, self._read_anew, manners, self.rng)
        self.clients.append(one)
        self._running.append(self.tasks.create_task(one.run()))
        if joined:
            await eventually(lambda: one.record.joined, JOIN_LIMIT_S)
        return one

    def writer(
        self, *users: UUID, name: str = "", line: Proxy | None = None, pause_s: float = 0.01,
        money: bool = True, kind: type[Writer] = Writer,
    ) -> Writer:  # fmt: skip
        """One more writer of these users' rows, straight to Postgres or over a line."""
        name = name or f"writer-{len(self.writers)}"
        dsn = self.line_dsn(line, "postgres") if line else self.postgres.dsn()
        rng = random.Random(self.rng.random())
        one = kind(name, dsn, users, rng, self.timeline, pause_s, money)
        self.writers.append(one)
        self._writing.append(self.tasks.create_task(one.run()))
        return one

    async def stop_writing(self, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Every writer finishes what is under way, and knows what became of it."""
        for writer in self.writers:
            writer.stop()
        async with asyncio.timeout(limit_s):
            await asyncio.gather(*self._writing)

    async def more(self, changes: int, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Return once the writers have committed so many more transactions."""
        enough = changes + sum(len(writer.committed) for writer in self.writers)
        await eventually(
            lambda: sum(len(writer.committed) for writer in self.writers) >= enough, limit_s
        )

    async def settle(self, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Stop writing, and return once every client has all: a last change is there for each."""
        await self.stop_writing(limit_s)
        if self.provider is not None:
            async with await self.connected() as db:
                await eventually(partial(self.provider.settled, db), limit_s)
        last = {user: await self._fence(user) for user in self._followed}

        def late() -> list[str]:
            records = [client.record for client in self.clients]
            places = [(one, (one.epoch, one.since), last[one.user]) for one in records]
            return [
                f"{one.client} is at {place}, and the log at {end}; joined: {one.joined}"
                for one, place, end in places
                if not one.joined or place != end
            ]

        try:
            await eventually(lambda: not late(), limit_s)
        except AssertionError:
            raise AssertionError("\n".join(late())) from None

    async def findings(self) -> list[Finding]:
        """What the checker finds wrong with all of it."""
        return checker.findings([one.record for one in self.clients], await self.truth())

    async def holds(self, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Settle, and insist that nothing is wrong."""
        await self.settle(limit_s)
        found = [str(one) for one in await self.findings()] + self.mistakes()
        if found:
            raise AssertionError("\n".join(found[:40]))

    async def truth(self) -> Truth:
        """What the database, the gateways' logs and the timeline say."""
        marks = [mark for writer in self.writers for mark in writer.committed]
        async with await self.connected() as db:
            writes = await truth.writes(db)
            return Truth(
                {user: await truth.feed(db, user) for user in self._followed},
                writes,
                [mark for mark in marks if mark not in writes],
                await truth.money(db),
                await self.provider.differences(db) if self.provider else [],
                [*self.timeline.excuses, *gatewaylog.excuses(self._logs())],
                frozenset(self.resyncs),
            )

    def mistakes(self) -> list[str]:
        """Tracebacks in what the processes have logged, which must be none."""
        return [f"{name}: a traceback" for name, log in self._logs().items() if "Traceback" in log]

    def text(self) -> str:
        """The timeline so far."""
        return self.timeline.text(one.record for one in self.clients)

    def _logs(self) -> dict[str, str]:
        return {log.stem: log.read_text() for log in sorted(self.folder.glob("*-*.log"))}

    async def _read_anew(self, user: UUID) -> tuple[int, Rows]:
        async def found() -> tuple[int, Rows] | None:
            with suppress(psycopg.OperationalError):  # away just now
                async with await self.connected() as db:
                    return await truth.reading(db, user)
            return None

        read = await eventually(found, SETTLE_LIMIT_S)
        assert read is not None
        return read

    @property
    def _followed(self) -> set[UUID]:
        return {client.record.user for client in self.clients}

    async def _fence(self, user: UUID) -> tuple[str, int]:
        """A last change of the user's: in which history, and its number."""
        async with await self.connected() as db:
            await db.execute("insert into cargo values (%s, %s, 'fence')", (self.fresh_id(), user))
            return await truth.place(db, user)


@asynccontextmanager
async def world(
    template: Template, folder: Path, gateways: int = 1, seed: int = 1,
    settings: Mapping[str, str] = NO_SETTINGS, postgres: Mapping[str, str] = NO_SETTINGS,
) -> AsyncIterator[World]:  # fmt: skip
    """A world with so many gateways for the length of a block; nothing of it is left."""
    with own_postgres(template, postgres) as server:
        async with around(server, folder, seed) as one:
            for _ in range(gateways):
                await one.add_gateway(settings)
            yield one


@asynccontextmanager
async def around(postgres: OwnPostgres, folder: Path, seed: int = 1) -> AsyncIterator[World]:
    """A world around a Postgres that is there already, and nobody in it yet."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        one = World(postgres, folder, random.Random(seed), stack, tasks=tasks)
        try:
            yield one
        except BaseException:
            print(one.text())  # pytest shows it beside the failure
            raise
        finally:
            for task in [*one._running, *one._writing]:
                task.cancel()
