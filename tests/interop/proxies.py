"""nginx and Caddy on the files of deploy/, which are changed in their addresses alone."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from process.settings import Address
from tests.facts import eventually
from tests.needs import needs_caddy, needs_nginx
from tests.served import free_address

DEPLOY = Path(__file__).parents[2] / "deploy"
STOP_LIMIT_S = 10

# What Debian's own nginx.conf does around an included file; everything of it in one folder.
NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
CADDY = "{{\n\tadmin off\n}}\n{site}"


@dataclass(frozen=True)
class Backends:
    """What stands behind the proxy; `before` is the system that was there before."""

    service: Address
    gateway: Address
    before: Address


class Proxy(Protocol):
    """One of the two: starts it, at an address that the test may choose; its URL."""

    def __call__(
        self, behind: Backends, folder: Path, at: Address | None = None
    ) -> AbstractAsyncContextManager[str]: ...


def site(name: str, behind: Backends, changes: dict[str, str]) -> str:
    """That file of deploy/, with the addresses of a test."""
    text = (DEPLOY / name).read_text()
    addresses = {
        "127.0.0.1:8000": str(behind.service),
        "127.0.0.1:8001": str(behind.gateway),
        "127.0.0.1:3000": str(behind.before),
    }
    for written, ours in (addresses | changes).items():
        assert written in text, f"{name} has no {written}"
        text = text.replace(written, ours)
    return text


@asynccontextmanager
async def nginx(behind: Backends, folder: Path, at: Address | None = None) -> AsyncIterator[str]:
    """nginx on deploy/nginx.conf; its URL."""
    at = at or free_address()
    changes = {"listen 80;": f"listen {at};", "/var/log/nginx/sonnette.log": f"{folder}/access.log"}
    (folder / "site.conf").write_text(site("nginx.conf", behind, changes))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    async with _running(command, at, folder) as url:
        yield url


@asynccontextmanager
async def caddy(behind: Backends, folder: Path, at: Address | None = None) -> AsyncIterator[str]:
    """Caddy on deploy/Caddyfile; its URL. Only its own name asks for a certificate."""
    at = at or free_address()
    text = site("Caddyfile", behind, {"sms.example.org {": f"http://{at} {{"})
    (folder / "Caddyfile").write_text(CADDY.format(site=text))
    command = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    async with _running(command, at, folder) as url:
        yield url


PROXIES = [
    pytest.param(nginx, marks=needs_nginx, id="nginx"),
    pytest.param(caddy, marks=needs_caddy, id="Caddy"),
]


@asynccontextmanager
async def _running(command: list[str], at: Address, folder: Path) -> AsyncIterator[str]:
    program = shutil.which(command[0])
    assert program is not None
    log = folder / "log"
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder)}
    with log.open("wb") as told:
        process = await asyncio.create_subprocess_exec(
            program, *command[1:], cwd=folder, env=environ, stdout=told, stderr=told
        )
    try:
        await eventually(lambda: _answers(process, at, log))
        yield at.url()
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), STOP_LIMIT_S)


async def _answers(process: asyncio.subprocess.Process, at: Address, log: Path) -> bool:
    assert process.returncode is None, f"it has ended; see {log}"
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            await client.get(at.url())
        except httpx.TransportError:
            return False
    return True
