"""What is measured: a fresh embedded Postgres with rows in it, and a gateway process beside it.

The server runs as `sonnette run` runs it, fsync on. The gateway is `python -m gateway`, configured
by its environment alone.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import psycopg

from bench.child import Child, ChildFailed, child
from bench.messages import queries, user_id
from bench.phases import open_sockets
from db import binaries, embedded, migrate
from process.settings import Address

START_TIMEOUT_S = 30
SEED_BATCH = 200  # rows in a transaction, as writers that batch have it

# To read the system's certificates for each look at /metrics takes as long as fifty changes.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Database:
    """The running server; `version` and `durability` as it tells them."""

    dsn: str
    gateway_dsn: str
    version: str
    durability: str
    server: embedded.Server


@contextlib.contextmanager
def database(users: int) -> Iterator[Database]:
    """A migrated database with `users` users, a pending activation each; removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="sonnette-bench-"))
    home.chmod(0o711)  # the server's account has to pass through to its own folder
    try:
        with embedded.start(home, bindir=binaries.find_bindir(None)) as server:
            migrate.upgrade(server.dsn())
            version, durability = _fill(server.dsn(), users)
            gateway_dsn = server.dsn("sonnette_gateway")
            yield Database(server.dsn(), gateway_dsn, version, durability, server)
    finally:
        shutil.rmtree(home)


@contextlib.asynccontextmanager
async def gateway(dsn: str, address: Address, secret: str) -> AsyncIterator[Child]:
    """A gateway that is ready."""
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "DATABASE_URL": dsn,
        "SONNETTE_GATEWAY_LISTEN": str(address),
        "SONNETTE_JWT_SECRET": secret,
        "SONNETTE_LOG_LEVEL": "WARNING",
    }
    async with child("gateway", environ=environ) as running:
        await _ready(f"{address.url()}/readyz")
        yield running


@contextlib.asynccontextmanager
async def crowd(mode: str, address: Address, secret: str) -> AsyncIterator[Child]:
    """A process for sockets to `address`, none open yet; `mode` is gateway or bare."""
    async with child("bench.sockets", mode, address.host, str(address.port), secret) as running:
        yield running


@contextlib.asynccontextmanager
async def bare_crowd(dsn: str, count: int) -> AsyncIterator[Child]:
    """The bare relay with `count` sockets on it, all open."""
    address = free_address()
    async with (
        child("bench.relay", dsn, address.host, str(address.port)) as relay,
        crowd("bare", address, "") as sockets,
    ):
        await relay.line(START_TIMEOUT_S)
        await open_sockets(sockets, 0, count)
        yield sockets


async def metric(address: Address, name: str) -> float:
    """A figure of a gateway's /metrics, `name` with its labels; 0 where it is not there yet."""
    async with httpx.AsyncClient(verify=NO_AUTHORITIES) as client:
        lines = (await client.get(f"{address.url()}/metrics")).text.splitlines()
    found = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    wanted = f"sonnette_gateway_{name}"
    return next((float(value) for said, _, value in found if said == wanted), 0.0)


def last_numbers(dsn: str, users: int) -> list[int]:
    """How far the log goes for each of the first users."""
    ids = [user_id(number) for number in range(users)]
    with psycopg.connect(dsn, autocommit=True) as connection:
        found: dict[UUID, int] = dict(connection.execute(queries["feeds"], {"ids": ids}).fetchall())
    return [found[one] for one in ids]


def free_address() -> Address:
    """A port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Address("127.0.0.1", int(probe.getsockname()[1]))


def new_secret() -> str:
    """A JWT secret for this run."""
    return secrets.token_urlsafe(48)


def rss_kib(pid: int) -> int:
    """Resident memory of a process, from proc(5)."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ChildFailed(f"process {pid} has no resident memory")


def _fill(dsn: str, users: int) -> tuple[str, str]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for first in range(0, users, SEED_BATCH):
            last = min(first + SEED_BATCH, users)
            ids = {"ids": [user_id(number) for number in range(first, last)]}
            for name in ("users", "wallets", "activations"):
                connection.execute(queries[name], ids)
        connection.execute(queries["plain"])
        connection.execute(queries["settle"])
        told = connection.execute(queries["server"]).fetchone()
        assert told is not None
        version, fsync, synchronous_commit = told
        return str(version), f"fsync {fsync}, synchronous_commit {synchronous_commit}"


async def _ready(url: str) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    async with httpx.AsyncClient() as client:
        while asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise ChildFailed(f"{url} did not say 200 within {START_TIMEOUT_S} s")
