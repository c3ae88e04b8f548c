"""A service in a process of its own: `python -m service`, to be killed and restarted.

Started when /readyz says so; what it logs goes to a file, in which the tests look for what must and
must not be there.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx

from db.bound import bound
from tests.facts import eventually
from tests.fixtures.service import SECRET, RunningService
from tests.served import free_address

ROOT = Path(__file__).parents[1]
START_LIMIT_S = 30
STOP_LIMIT_S = 12  # the service promises 10


class ServiceProcess:
    """One service; its address stays the same over restarts."""

    def __init__(self, dsn: str, log: Path, settings: dict[str, str]) -> None:
        self.address = free_address()
        self.tree = ROOT  # whose code it runs
        self._log = log
        self._environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATABASE_URL": dsn,
            "SONNETTE_JWT_SECRET": SECRET,
            "SONNETTE_SERVICE_LISTEN": str(self.address),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        await eventually(self._is_ready, START_LIMIT_S)

    def launch(self) -> None:
        """Start it and wait for nothing."""
        command = bound([sys.executable, "-m", "service"], signal.SIGKILL, None)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.tree, env=self._environ, stderr=log)

    def kill(self) -> None:
        """kill -9."""
        self._running.kill()
        self._running.wait(STOP_LIMIT_S)

    def terminate(self) -> None:
        """SIGTERM, as systemd sends it."""
        self._running.terminate()

    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process is None or self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        """How it ended."""
        return self._running.poll()

    def user(self, user_id: UUID) -> httpx.AsyncClient:
        """A client with that user's token; the caller closes it."""
        return RunningService(self.address).user(user_id)

    def logged(self) -> str:
        """Everything that it has logged so far."""
        return self._log.read_text()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the service was never started"
        return self._process

    async def is_up(self) -> bool:
        """Whether it answers at all."""
        return await self._status("/livez") == httpx.codes.OK

    async def _is_ready(self) -> bool:
        assert not self.ended(), f"the service ended at once: {self.logged()}"
        return await self._status("/readyz") == httpx.codes.OK

    async def _status(self, path: str) -> int | None:
        async with RunningService(self.address).client() as client:
            try:
                return (await client.get(path)).status_code
            except httpx.TransportError:
                return None


@asynccontextmanager
async def service_process(dsn: str, log: Path, **settings: str) -> AsyncIterator[ServiceProcess]:
    """A ready service for the length of a block; `settings` are variables of its environment."""
    service = ServiceProcess(dsn, log, settings)
    try:
        await service.start()
        yield service
    finally:
        if not service.ended():
            service.kill()
    assert "Traceback" not in service.logged()
