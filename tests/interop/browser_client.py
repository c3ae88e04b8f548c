"""A page in Chromium that uses the published client, as a test sees it: facts out, orders in.

The client is the bundle that its package ships; the page and it come from a server of the test's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

from tests.interop.node_client import JsClient
from tests.needs import NODE_CLIENT, find_chromium
from tests.served import served

QUIET = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync"""
FILES = {
    "/": "page.html",
    "/subscriber.mjs": "subscriber.mjs",
    "/supabase.js": "node_modules/@supabase/supabase-js/dist/umd/supabase.js",
}


class BrowserClient(JsClient):
    """One open page."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self._told: asyncio.Queue[str] = asyncio.Queue()

    async def start(self, asked: dict[str, object]) -> None:
        """Let the page subscribe."""
        await self.page.expose_function("say", self._told.put_nowait)
        await self.page.evaluate("asked => window.start(asked)", asked)

    async def _line(self) -> str:
        return await self._told.get()

    async def order(self, **order: object) -> None:
        """Tell the page what to do."""
        await self.page.evaluate("order => window.order(order)", order)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A Chromium for the length of a block."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=find_chromium(), args=QUIET.split()
        )
        yield started
        await started.close()


@asynccontextmanager
async def browser_client(**asked: object) -> AsyncIterator[BrowserClient]:
    """A page that is open for the length of a block."""
    async with served(_site()) as site, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{site.url()}/")
        client = BrowserClient(page)
        await client.start(asked)
        yield client
        await page.close()


def _site() -> Starlette:
    return Starlette(routes=[_file(path, name) for path, name in FILES.items()])


def _file(path: str, name: str) -> Route:
    answer = FileResponse(NODE_CLIENT / name)
    return Route(path, lambda _request: answer)
