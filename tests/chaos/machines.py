"""The processes of a world, each with a line to Postgres and a door to its clients, both proxies.

A fault is done to a process, to its line or to its door, or to Postgres under all of them.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import LiteralString
from uuid import UUID, uuid4

from psycopg.conninfo import make_conninfo

from db.place import PORT
from tests.chaos.client import Door
from tests.chaos.postgres import OwnPostgres
from tests.chaos.provider import Provider, provider
from tests.chaos.timeline import Timeline
from tests.db_helpers import Connection, value
from tests.gateway_process import GatewayProcess
from tests.poller_process import PollerProcess
from tests.proxy import Proxy, proxy, to_port, to_socket
from tests.service_process import ServiceProcess

TERMINATE: LiteralString = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where application_name like %s and datname = current_database()
"""
FRESH = 1_000_000_000
NO_SETTINGS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Gateway:
    """One gateway. `line`: between it and Postgres; `door`: between its clients and it."""

    name: str
    process: GatewayProcess
    line: Proxy
    door: Proxy

    @property
    def address(self) -> Door:
        """Where its clients find it."""
        return Door(self.name, self.door.url)


@dataclass(frozen=True)
class Service:
    """A service, likewise."""

    name: str
    process: ServiceProcess
    line: Proxy
    door: Proxy

    @property
    def address(self) -> Door:
        """Where its clients find it."""
        return Door(self.name, self.door.url)


@dataclass(frozen=True)
class Poller:
    """A poller. Whom it asks is the world's provider."""

    name: str
    process: PollerProcess
    line: Proxy


@dataclass
class Machines:
    """All of them; `stack` ends them. `postgres` is under all."""

    postgres: OwnPostgres
    folder: Path
    rng: random.Random
    stack: AsyncExitStack
    timeline: Timeline = field(default_factory=Timeline)
    gateways: list[Gateway] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    pollers: list[Poller] = field(default_factory=list)
    provider: Provider | None = None
    users: list[UUID] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: count(FRESH))

    async def connected(self, role: str = "postgres") -> Connection:
        """A connection of that role straight to Postgres, autocommit; the caller closes it."""
        return await Connection.connect(self.postgres.dsn(role), autocommit=True)

    def line_dsn(self, line: Proxy, role: str) -> str:
        """How `role` reaches Postgres over a line that can be treated as networks treat theirs."""
        return make_conninfo(
            "", host="127.0.0.1", port=line.port, user=role, dbname=self.postgres.name,
            sslmode="disable",
        )  # fmt: skip

    async def line(self) -> Proxy:
        """A new line to Postgres."""
        socket = f"{self.postgres.server.socket_dir}/.s.PGSQL.{PORT}"
        return await self.stack.enter_async_context(proxy(to_socket(socket)))

    async def add_gateway(
        self,
        settings: Mapping[str, str] = NO_SETTINGS,
        process: type[GatewayProcess] = GatewayProcess,
        start: bool = True,
        dsn: str | None = None,
    ) -> Gateway:
        """One more gateway, ready unless it is not to be started; `settings` as its environment.

        `dsn`: how it reaches Postgres where that is not by a line of its own.
        """
        name, line = f"gateway-{len(self.gateways)}", await self.line()
        log = self.folder / f"{name}.log"
        dsn = dsn or self.line_dsn(line, "sonnette_gateway")
        running = process(dsn, log, dict(settings))
        self.stack.callback(_end, running)
        door = await self.stack.enter_async_context(proxy(to_port(running.address.port)))
        gateway = Gateway(name, running, line, door)
        self.gateways.append(gateway)
        if start:
            await running.start()
        return gateway

    async def add_service(self, **settings: str) -> Service:
        """A ready service; `settings` are its environment."""
        name, line = f"service-{len(self.services)}", await self.line()
        log = self.folder / f"{name}.log"
        running = ServiceProcess(self.line_dsn(line, "sonnette_service"), log, settings)
        self.stack.callback(_end, running)
        door = await self.stack.enter_async_context(proxy(to_port(running.address.port)))
        await running.start()
        self.services.append(Service(name, running, line, door))
        return self.services[-1]

    async def add_poller(self, start: bool = True) -> Poller:
        """A poller, ready unless it is not to be started, and the first time a provider for it."""
        if self.provider is None:
            rng = random.Random(self.rng.random())
            self.provider = await self.stack.enter_async_context(provider(self.folder, rng))
        name, line = f"poller-{len(self.pollers)}", await self.line()
        running = PollerProcess(
            self.line_dsn(line, "sonnette_poller"), self.provider.address,
            self.folder / f"{name}.log",
            settings={"SONNETTE_PROVIDERS": str(self.provider.accounts)},
        )  # fmt: skip
        self.stack.callback(_end, running)
        self.pollers.append(Poller(name, running, line))
        if start:
            await running.start()
        return self.pollers[-1]

    async def user(self, money: str = "10.00") -> UUID:
        """A user with a wallet, whose feed has begun."""
        user = uuid4()
        async with await self.connected() as db:
            await db.execute("select sonnette.credit(%s, %s, 'a world')", (user, money))
        self.users.append(user)
        return user

    async def terminate(self, application: str = "sonnette%") -> int:
        """pg_terminate_backend for the connections of that name; how many there were."""
        self.timeline.say("postgres", f"terminates {application}")
        async with await self.connected() as db:
            return int(str(await value(db, TERMINATE, application)))

    async def is_ready(self, gateway: Gateway) -> bool:
        """Whether /readyz says so."""
        return await gateway.process.problems() == []

    @staticmethod
    async def for_s(wait_s: float) -> None:
        """Let it go on for so long: a fault's own length, and never a wait for something."""
        await asyncio.sleep(wait_s)

    def fresh_id(self) -> int:
        """A key in `cargo` that nobody has: below zero, and below all that a test makes itself."""
        return -next(self._ids)


def _end(process: GatewayProcess | ServiceProcess | PollerProcess) -> None:
    running = process.running if isinstance(process, GatewayProcess) else not process.ended()
    if running:
        process.kill()
