"""What the gateway's tests on a real Postgres share: a watched table, and a gateway process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.db_helpers import Connection
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process
from tests.integration.gateway_wire import CARGO


@pytest_asyncio.fixture
async def cargo_db(db: Connection) -> Connection:
    """A superuser's connection to a database with a watched table `cargo (id, owner, ...)`."""
    await db.execute(CARGO)
    await db.execute("select sonnette.watch('cargo', 'owner')")
    return db


@pytest_asyncio.fixture
async def gateway(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> AsyncIterator[GatewayProcess]:
    """A ready gateway on this test's database, `cargo` among its tables."""
    log = tmp_path / "gateway.log"
    async with gateway_process(database.dsn("sonnette_gateway"), log) as running:
        yield running
