"""A Chromium, a service and a gateway on one database, and what happens to their users.

All tests of a worker share one Chromium, each in profiles of its own, and so one event loop.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.acceptance.conftest import running
from tests.fixtures.postgres import Database
from tests.fixtures.service import running_service
from tests.gateway_process import SECRET, GatewayProcess
from tests.interop.browser_client import chromium
from tests.interop.conftest import User, discreet_gateway, user_with_money
from tests.market import Market, market

__all__ = ["running"]

HERE = Path(__file__).parent
WHOLE: Final = "session"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every test of this folder run in the loop that the Chromium is in."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope=WHOLE), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope=WHOLE)
async def shared_browser() -> AsyncIterator[Browser]:
    """A Chromium that stays open."""
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope=WHOLE)
async def browser(shared_browser: Browser) -> AsyncIterator[Browser]:
    """The Chromium, without a tab before and after."""
    assert shared_browser.contexts == []
    yield shared_browser
    for context in shared_browser.contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope=WHOLE)
async def gateway(database: Database, tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    """A gateway on this test's database."""
    async with discreet_gateway(database, tmp_path) as running:
        yield running


@pytest_asyncio.fixture(name="market", loop_scope=WHOLE)
async def market_(database: Database) -> AsyncIterator[Market]:
    """What users, providers and operators do."""
    async with market(database) as open_market:
        yield open_market


@pytest_asyncio.fixture(loop_scope=WHOLE)
async def alice(market: Market) -> User:
    """A user with money."""
    return await user_with_money(market)


@pytest_asyncio.fixture(loop_scope=WHOLE)
async def bob(market: Market) -> User:
    """Another one, who must see nothing of the first."""
    return await user_with_money(market)


@pytest_asyncio.fixture(loop_scope=WHOLE)
async def site(database: Database, gateway: GatewayProcess) -> AsyncIterator[str]:
    """The address of a service that knows the gateway, and shares its secret."""
    async with running_service(
        database, jwt_secret=SECRET, gateway_listen=gateway.address
    ) as running:
        yield running.address.url()
