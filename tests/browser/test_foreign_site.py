"""A site of another origin, with tokens of its own, embeds the page and the hook (web/test/site).

It is built as its developers see it, with React's strict mode mounting everything twice.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Browser, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.browser.tab import open_tab
from tests.browser.web_tools import tool
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import running_service
from tests.gateway_process import SECRET, GatewayProcess, token
from tests.interop.conftest import User
from tests.market import Market
from tests.needs import needs_chromium, needs_web
from tests.served import free_address, served

pytestmark = [needs_chromium, needs_web]

FIRST_TTL_S = 4


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's files."""
    folder = tmp_path_factory.mktemp("site")
    words = ("build", "test/site", "--config", "vite.config.ts", "--mode", "development")
    told = tool("vite", *words, "--outDir", str(folder), NODE_ENV="development")
    assert told.returncode == 0, told.stderr
    return folder


class Site:
    """Its server: the files, and a session whose first token ends soon."""

    def __init__(self, user: UUID, service_url: str, gateway_url: str) -> None:
        self._user = user
        self._facts = {
            "userId": str(user), "serviceUrl": service_url,
            "gatewayUrl": gateway_url.replace("http", "ws", 1),
        }  # fmt: skip
        self._ends = int(time.time()) + FIRST_TTL_S  # not after the token: that has whole seconds
        self._first = token(user, FIRST_TTL_S)

    def app(self, files: Path) -> Starlette:
        """What it answers."""
        return Starlette(
            routes=[
                Route("/site.json", lambda _request: JSONResponse(self._facts)),
                Route("/session", self._session),
                Mount("/", StaticFiles(directory=files, html=True)),
            ]
        )

    def _session(self, _request: Request) -> JSONResponse:
        ended = time.time() >= self._ends
        return JSONResponse({"token": token(self._user) if ended else self._first})


@asynccontextmanager
async def foreign_site(
    database: Database, gateway: GatewayProcess, user: UUID, files: Path
) -> AsyncIterator[str]:
    """The site, its origin let in by the service; its address."""
    at = free_address()
    allowed = {"cors_origins": (at.url(),), "gateway_listen": gateway.address}
    async with running_service(database, jwt_secret=SECRET, **allowed) as service:
        site = Site(user, service.address.url(), gateway.url)
        async with served(site.app(files), at):
            yield at.url()


async def test_it_has_codes_by_push_with_its_own_tokens_over_the_end_of_one(
    browser: Browser, database: Database, gateway: GatewayProcess, market: Market, alice: User,
    built: Path,
) -> None:  # fmt: skip
    activation = await market.pending(alice.id)
    async with (
        foreign_site(database, gateway, alice.id, built) as url,
        open_tab(browser, url, None) as tab,
    ):
        await tab.is_live()
        assert await tab.line("🔌 [REALTIME] Status: CHANNEL_ERROR")  # the first token has ended
        await tab.is_live()
        await market.bring_code(activation, "445566")
        await expect(tab.code).to_have_text("445566")
        await expect(tab.page.locator("#bell")).to_have_text("445566 9.50")
        assert await tab.line("✅ [REALTIME] SMS reçu en temps réel!")
        assert len(await tab.toasts("SMS received!")) == 1
        await tab.button("Finish").click()  # a write from another origin
        await eventually(lambda: market.asked(activation, "finish"))
        await eventually(lambda: tab.open_sockets == 2)
        await tab.page.get_by_role("button", name="Leave").click()
        assert tab.complaints == []
        await eventually(lambda: tab.open_sockets == 1)  # unmounting the hook closes its own
        await market.credit(alice.id, "1.00")
        await expect(tab.page.locator("#balance")).to_have_text("10.50 USD")
