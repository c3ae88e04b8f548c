"""A PgBouncer in front of a test's Postgres, for the length of a block."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from db.account import server_account
from db.bound import bound
from process.settings import Address
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.served import free_address

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(
    PGBOUNCER is None, reason="needs PgBouncer (Debian: pgbouncer)"
)


@asynccontextmanager
async def pooler(
    database: Database, mode: str, address: Address | None = None
) -> AsyncIterator[str]:
    """The DSN for sonnette_gateway through a pool in this mode: transaction or session."""
    address = address or free_address()
    folder = Path(tempfile.mkdtemp(prefix="sonnette-pooler-"))
    running = _launch(database, mode, address, folder)
    try:
        await eventually(lambda: _listens(address.port))
        yield make_conninfo(
            "", host=address.host, port=address.port, user="sonnette_gateway", dbname=database.name
        )
    finally:
        running.kill()
        running.wait()
        shutil.rmtree(folder)


def _launch(
    database: Database, mode: str, address: Address, folder: Path
) -> subprocess.Popen[bytes]:
    """As the server's account: PgBouncer, too, refuses root."""
    folder.chmod(0o755)
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text('"sonnette_gateway" ""\n')
    config.write_text(
        f"[databases]\n{database.name} = host={database.server.socket_dir} port=5432\n"
        f"[pgbouncer]\nlisten_addr = {address.host}\nlisten_port = {address.port}\n"
        f"unix_socket_dir =\npool_mode = {mode}\nauth_type = trust\nauth_file = {users}\n"
    )
    assert PGBOUNCER is not None
    command = bound([PGBOUNCER, "-q", str(config)], signal.SIGKILL, server_account())
    return subprocess.Popen(command, cwd="/", stderr=subprocess.DEVNULL)


async def _listens(port: int) -> bool:
    try:
        _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True
