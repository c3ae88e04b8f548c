"""What is measured of the poller: a fresh database, a simulated provider and a real poller process.

All over real HTTP and a real Postgres with fsync on, as `sonnette run` starts them.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg

from bench.child import Child, child
from bench.stack import free_address
from db import binaries, embedded, migrate
from poller.accounts import SIMULATOR_REQUESTS_PER_S
from process.settings import Address

START_TIMEOUT_S = 60
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MOST_REQUESTED = 200
ACCOUNT = """[[account]]
name = "simulator"
dialect = "sms-activate"
api_key = "demo"
url = "{}/stubs/handler_api.php"
cancel_after_s = 0
requests_per_s = {}
"""
BUY = "select (sonnette.buy(%s, 'wa', '6')).id"


@dataclass(frozen=True)
class Market:
    """Users with plenty of money, a provider, and a poller between them."""

    dsn: str
    gateway_dsn: str
    service_dsn: str
    simulator: Address
    poller: Child
    poller_address: Address
    web: httpx.AsyncClient
    users: Sequence[UUID]
    server_pid: int

    async def script(self, path: str, **said: object) -> None:
        """Tell the simulator something: /sim/script or /sim/chaos."""
        answer = await self.web.post(f"{self.simulator.url()}{path}", json=said)
        assert answer.status_code == 204, answer.text

    async def calls(self) -> dict[str, int]:
        """How often each action was called so far."""
        found: dict[str, int] = (await self.web.get(f"{self.simulator.url()}/sim/calls")).json()
        return found

    async def count(self, statuses: Sequence[str]) -> int:
        """How many activations have one of these statuses."""
        async with await psycopg.AsyncConnection.connect(self.dsn) as db:
            cursor = await db.execute(
                "select count(*) from activations where status = any (%s)", (list(statuses),)
            )
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def room(self, most: int = MOST_REQUESTED) -> None:
        """Wait until few purchases are under way: who waits for two minutes is given up."""
        while await self.count(["requested"]) > most:
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def market(users: int, account: str = "") -> AsyncIterator[Market]:
    """All of it, ready, with a price list; removed afterwards.

    `account`: lines of an accounts file that say more of the account at the simulator.
    """
    home = _folder()
    try:
        with embedded.start(home, bindir=binaries.find_bindir(None)) as server:
            migrate.upgrade(server.dsn())
            people = [uuid4() for _ in range(users)]
            with psycopg.connect(server.dsn(), autocommit=True) as db:
                for user in people:
                    db.execute("select sonnette.credit(%s, 100000, 'a benchmark')", (user,))
            async with _processes(server, people, home, account) as ready:
                yield ready
    finally:
        shutil.rmtree(home)


def _folder() -> Path:
    home = Path(tempfile.mkdtemp(prefix="sonnette-bench-"))
    home.chmod(0o711)  # the server's account has to pass through to its own folder
    return home


@contextlib.asynccontextmanager
async def _processes(
    server: embedded.Server, people: Sequence[UUID], home: Path, account: str
) -> AsyncIterator[Market]:
    simulator, poller = free_address(), free_address()
    accounts = home / "accounts.toml"
    accounts.write_text(
        ACCOUNT.format(simulator.url(), SIMULATOR_REQUESTS_PER_S) + account, "utf-8"
    )
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "SONNETTE_SIMULATOR_LISTEN": str(simulator),
        "SONNETTE_POLLER_LISTEN": str(poller),
        "SONNETTE_PROVIDERS": str(accounts),
        "SONNETTE_LOG_LEVEL": "CRITICAL",  # chaos is a log of its own
        "DATABASE_URL": server.dsn("sonnette_poller"),
    }
    async with (
        httpx.AsyncClient(trust_env=False, timeout=60) as web,
        child("sonnette", "simulator", environ=environ),
    ):
        await answers(web, f"{simulator.url()}/livez")
        async with child("poller", environ=environ) as running:
            await answers(web, f"{poller.url()}/readyz")
            yield Market(
                server.dsn(),
                server.dsn("sonnette_gateway"),
                server.dsn("sonnette_service"),
                simulator,
                running,
                poller,
                web,
                people,
                server.pid,
            )


async def answers(web: httpx.AsyncClient, url: str) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if (await web.get(url)).is_success:
                return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"{url} was not ready within {START_TIMEOUT_S} s")


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used so far, from proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
