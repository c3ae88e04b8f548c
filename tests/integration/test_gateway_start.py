"""What a gateway refuses to start with: one sentence each, and exit code 1."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.gateway_process import ROOT, SECRET
from tests.served import free_address

LIMIT_S = 10
SOCKETS = "postgresql://sonnette_gateway@/sonnette?host=/nowhere"


async def refusal(**environ: str) -> str:
    """What `python -m gateway` says when it ends at once, with exit code 1 and one sentence."""
    settings = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": SOCKETS,
        "SONNETTE_JWT_SECRET": SECRET,
        "SONNETTE_GATEWAY_LISTEN": str(free_address()),
        **environ,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in settings.items() if value},
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 1
    [sentence] = said.decode().splitlines()
    return sentence


async def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert await refusal(SONNETTE_GATEWAY_LISTEN=f"127.0.0.1:{port}") == (
            f"port {port} is in use; set SONNETTE_GATEWAY_LISTEN"
        )


async def test_a_secret_that_is_missing_or_short() -> None:
    assert await refusal(SONNETTE_JWT_SECRET="") == (
        "SONNETTE_JWT_SECRET is not set, nor is SONNETTE_JWKS_URL; one of them verifies the users'"
        " tokens"
    )
    said = await refusal(SONNETTE_JWT_SECRET="TOOSHORT")
    assert said == (
        "SONNETTE_JWT_SECRET must be at least 32 bytes; make one with `openssl rand -base64 48`"
    )
    assert "TOOSHORT" not in said


async def test_a_database_that_is_not_named() -> None:
    assert await refusal(DATABASE_URL="") == (
        "DATABASE_URL is not set; the gateway reads its users' feeds there"
    )


@pytest.mark.parametrize(
    "dsn",
    [
        "nonsense",
        "mysql://me:SECRETWORD@db/x",
        "postgresql://me:SECRETWORD@db:5432/x?colour=red",
        "postgresql://me:SECRETWORD@db:port/x",
        "postgresql://me:SECRETWORD@db:99999/x",
        "host=db port=many password=SECRETWORD",
        "postgresql://me:SECRETWORD@db..example/x",
        "postgresql://me:SECRETWORD@[::1/x",
    ],
)
async def test_a_database_url_that_nobody_could_connect_to(dsn: str) -> None:
    assert await refusal(DATABASE_URL=dsn) == (
        "DATABASE_URL is not a connection string; "
        "write it as postgresql://user:password@host:5432/name"
    )


async def test_an_unknown_setting() -> None:
    assert await refusal(SONNETTE_GATEWAY_LISTN="127.0.0.1:1") == (
        "SONNETTE_GATEWAY_LISTN is not a setting of Sonnette; did you mean SONNETTE_GATEWAY_LISTEN?"
    )


async def test_an_address_that_is_not_ours() -> None:
    said = await refusal(SONNETTE_GATEWAY_LISTEN="192.0.2.1:8001")
    assert said.startswith("cannot listen on 192.0.2.1:8001: ")
    assert said.endswith("; set SONNETTE_GATEWAY_LISTEN")


async def test_a_secret_from_a_file_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert await refusal(SONNETTE_JWT_SECRET="", SONNETTE_JWT_SECRET_FILE=str(missing)) == (
        f"SONNETTE_JWT_SECRET_FILE names {missing}: No such file or directory"
    )
