"""A poller in a process of its own, to be frozen, cut off and killed.

Started when /readyz says so; what it logs goes to a file.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from db.bound import bound
from poller.session import Fence
from poller.simulated_manners import BY_DIALECT
from process.settings import Address
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, simulated
from tests.served import free_address

ROOT = Path(__file__).parents[1]
START_LIMIT_S = 30
STOP_LIMIT_S = 12  # the poller promises 10
ACCOUNT = """
[[account]]
name = "simulator"
dialect = "{dialect}"
url = "{url}/stubs/handler_api.php"
api_key = "{key}"
cancel_after_s = 0
requests_per_s = 1000
"""
SHORT = Fence(silence_s=2.0, touch_s=0.5, answer_s=1.5)


class PollerProcess:
    """One poller; its address stays the same over restarts."""

    def __init__(
        self,
        dsn: str,
        simulator: Address,
        log: Path,
        fence: Fence = SHORT,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.address = free_address()
        self._log = log
        self._fence = fence
        self._environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATABASE_URL": dsn,
            "SONNETTE_POLLER_LISTEN": str(self.address),
            "SONNETTE_SIMULATOR_LISTEN": str(simulator),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it holds its account."""
        self.launch()
        await eventually(self.is_ready, START_LIMIT_S)

    def launch(self) -> None:
        """Start it and wait for nothing."""
        fence = [str(each) for each in vars(self._fence).values()]
        command = bound([sys.executable, "-m", "tests.poller_main", *fence], signal.SIGKILL, None)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environ, stderr=log)

    async def stands_by(self) -> None:
        """Wait until it says that another holds the account."""
        await eventually(self._is_held_by_another, START_LIMIT_S)

    def freeze(self) -> None:
        """SIGSTOP: it is there, and does nothing."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self._running.kill()
        self._running.wait(STOP_LIMIT_S)

    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process is None or self._process.poll() is not None

    def logged(self) -> str:
        """Everything that it has logged so far."""
        return self._log.read_text()

    async def is_ready(self) -> bool:
        """Whether it holds its account and has a price list."""
        return await self._readyz() == (httpx.codes.OK, True)

    async def metric(self, name: str) -> float:
        """The sum of one figure of /metrics; 0 where it is not there."""
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"{self.address.url()}/metrics")).text
        lines = (line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def _is_held_by_another(self) -> bool:
        return (await self._readyz(words="another poller holds"))[1]

    async def _readyz(self, words: str = "") -> tuple[int, bool]:
        assert not self.ended(), f"the poller ended at once: {self.logged()}"
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                answer = await client.get(f"{self.address.url()}/readyz")
            except httpx.TransportError:
                return 0, False
        return answer.status_code, words in answer.text

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the poller was never started"
        return self._process


@asynccontextmanager
async def poller_process(
    dsn: str, simulator: Address, log: Path, fence: Fence = SHORT, **settings: str
) -> AsyncIterator[PollerProcess]:
    """A poller for the length of a block, not started yet."""
    poller = PollerProcess(dsn, simulator, log, fence, settings)
    try:
        yield poller
    finally:
        if not poller.ended():
            poller.kill()
    assert "Traceback" not in poller.logged()


@asynccontextmanager
async def served_by(
    database: Database, folder: Path, dialect: str
) -> AsyncIterator[tuple[Polling, PollerProcess]]:
    """A provider of that dialect whose numbers stay silent, and a poller, not started yet."""
    async with simulated(database, dialect=dialect) as (world, _settings):
        await world.script(never=True)
        accounts, url = folder / "accounts.toml", world.simulator.url()
        key = BY_DIALECT[dialect].api_key
        accounts.write_text(ACCOUNT.format(dialect=dialect, key=key, url=url))
        dsn, log = database.dsn("sonnette_poller"), folder / "poller.log"
        async with poller_process(
            dsn, world.simulator, log, SONNETTE_PROVIDERS=str(accounts)
        ) as poller:
            yield world, poller
