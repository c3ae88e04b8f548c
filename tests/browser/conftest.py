"""A Chromium, a service and a gateway on one database, and what happens to their users."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest_asyncio
from playwright.async_api import Browser

from process.settings import Address
from tests.acceptance.conftest import running
from tests.fixtures.postgres import Database
from tests.fixtures.service import running_service
from tests.gateway_process import SECRET, GatewayProcess
from tests.interop.browser_client import chromium
from tests.interop.conftest import alice, bob, gateway, market_

__all__ = ["alice", "bob", "gateway", "market_", "running"]


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """A Chromium of this test's own."""
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture
async def site(database: Database, gateway: GatewayProcess) -> AsyncIterator[str]:
    """The address of a service that knows the gateway, and shares its secret."""
    at = urlsplit(gateway.url)
    where = Address(at.hostname or "", at.port or 0)
    async with running_service(database, jwt_secret=SECRET, gateway_listen=where) as running:
        yield running.address.url()
