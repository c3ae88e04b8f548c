"""What the tests with published clients share: a gateway, two users, and things that happen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest_asyncio

from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.market import Market, market


@dataclass(frozen=True)
class User:
    """Somebody with a token."""

    id: UUID
    token: str


async def user_with_money(market: Market) -> User:
    """Somebody new."""
    user = await market.new_user()
    return User(user, token(user))


@asynccontextmanager
async def discreet_gateway(database: Database, folder: Path) -> AsyncIterator[GatewayProcess]:
    """A gateway on that database, which logs all that it ever does and no secret."""
    log = folder / "gateway.log"
    async with gateway_process(
        database.dsn("sonnette_gateway"), log, SONNETTE_LOG_LEVEL="DEBUG"
    ) as running:
        yield running
    for secret in ("eyJ", "Your code is", "358042"):
        assert secret not in running.logged()


@pytest_asyncio.fixture
async def gateway(database: Database, tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    """A gateway on this test's database."""
    async with discreet_gateway(database, tmp_path) as running:
        yield running


@pytest_asyncio.fixture(name="market")
async def market_(database: Database) -> AsyncIterator[Market]:
    """What users, providers and operators do."""
    async with market(database) as open_market:
        yield open_market


@pytest_asyncio.fixture
async def alice(market: Market) -> User:
    """A user with money."""
    return await user_with_money(market)


@pytest_asyncio.fixture
async def bob(market: Market) -> User:
    """Another one, who must see nothing of the first."""
    return await user_with_money(market)
