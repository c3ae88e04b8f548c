"""A gateway in a process of its own: `python -m gateway` on a free port.

Started when /readyz says so; restarted on the same port, as its clients expect. What it logs goes
to a file, in which the tests look for what must not be there.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx

from db.bound import bound
from process.settings import Address
from process.tokens import mint
from tests.facts import eventually
from tests.served import free_address

ROOT = Path(__file__).parents[1]
SECRET = "the secret of a gateway that only tests talk to"
START_LIMIT_S = 30
STOP_LIMIT_S = 12  # the gateway promises 10


class GatewayProcess:
    """One gateway. `url` is its HTTP address, which stays the same over restarts."""

    PART = "gateway"
    MODULE: Sequence[str] = ()  # another to be run instead, with its arguments

    def __init__(
        self,
        dsn: str,
        log: Path,
        settings: dict[str, str],
        address: Address | None = None,
        tree: Path = ROOT,
    ) -> None:
        address = address or free_address()
        self._tree = tree
        self.address = address
        self.url = address.url()
        self.log = log
        self._environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "DATABASE_URL": dsn,
            "SONNETTE_JWT_SECRET": SECRET,
            f"SONNETTE_{self.PART.upper()}_LISTEN": str(address),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        self._launch()
        await eventually(self._is_ready, START_LIMIT_S)

    async def start_beside(self) -> None:
        """Start it on a port where another one listens and answers, too."""
        self._launch()
        await eventually(lambda: '"event": "listening"' in self.logged(), START_LIMIT_S)

    async def start_unready(self) -> None:
        """Start it and wait until it answers at all: it has something to wait for itself."""
        self._launch()
        await eventually(self._is_up, START_LIMIT_S)

    async def problems(self) -> list[str]:
        """What /readyz says is wrong; nothing where it is ready."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.url}/readyz")
        said = answer.json()
        ready = answer.status_code == httpx.codes.OK
        assert (said["ready"], said["problems"] == []) == (ready, ready)
        assert ready or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        return [str(problem) for problem in said["problems"]]

    def kill(self) -> None:
        """kill -9."""
        process = self._running
        process.kill()
        process.wait(STOP_LIMIT_S)

    def freeze(self) -> None:
        """SIGSTOP: it is there, and does nothing."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._running.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM, as systemd sends it; the exit code."""
        process = self._running
        process.terminate()
        return await asyncio.to_thread(process.wait, STOP_LIMIT_S)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def websocket_url(self, key: str | None, vsn: str | None) -> str:
        """Where a client connects, with `apikey` and `vsn` as far as they are given."""
        asked = {"apikey": key, "vsn": vsn}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"{self.url.replace('http', 'ws', 1)}/realtime/v1/websocket?{query}"

    def logged(self) -> str:
        """Everything that it has logged so far."""
        return self.log.read_text()

    def _launch(self) -> None:
        command = bound([sys.executable, "-m", *(self.MODULE or [self.PART])], signal.SIGKILL, None)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._tree, env=self._environ, stderr=log)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the gateway was never started"
        return self._process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running.pid

    async def _is_ready(self) -> bool:
        return await self._status("/readyz") == httpx.codes.OK

    async def _is_up(self) -> bool:
        return await self._status("/livez") == httpx.codes.OK

    async def _status(self, path: str) -> int | None:
        assert self.running, f"the {self.PART} ended at once: {self.logged()}"
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.url}{path}")).status_code
            except httpx.TransportError:
                return None


class QuickGateway(GatewayProcess):
    """One with less patience, see tests/gateway_main.py."""

    MODULE = ("tests.gateway_main",)


@asynccontextmanager
async def gateway_process(dsn: str, log: Path, **settings: str) -> AsyncIterator[GatewayProcess]:
    """A ready gateway for the length of a block; `settings` are variables of its environment."""
    gateway = GatewayProcess(dsn, log, settings)
    try:
        await gateway.start()
        yield gateway
    finally:
        if gateway.running:
            gateway.kill()
    assert "Traceback" not in gateway.logged()


def token(user: UUID, ttl_s: int = 3600) -> str:
    """A JWT of `user` that the gateway of the tests accepts."""
    return mint(SECRET, user, datetime.now(UTC), ttl_s)


def anon_key() -> str:
    """The key that a web page is shipped with: it names no user."""
    return mint(SECRET, uuid4(), datetime.now(UTC), role="anon")
