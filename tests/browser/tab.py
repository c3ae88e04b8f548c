"""An open tab of the page: what it asked for, what stood on its console, what it complained of."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    WebSocket,
    expect,
)

from tests.facts import eventually

DESKTOP = (1100, 900)
# When each code was first to be seen, by the page's own clock.
KEEP_SHOWN = """
    window.shown = {};
    new MutationObserver(() => {
        for (const { textContent: code } of document.querySelectorAll(".number .code")) {
            requestAnimationFrame(() => window.shown[code] ??= Date.now());
        }
    }).observe(document, { childList: true, subtree: true, characterData: true });
"""
LIVE_LIMIT_MS = 20_000
# A toast goes after 8 s: each is kept as it comes, [title, line].
KEEP_TOASTS = """
    window.toasts = [];
    new MutationObserver((records) => {
        const added = records.flatMap((record) => [...record.addedNodes]);
        const within = (node) => [node, ...(node.querySelectorAll?.("*") ?? [])];
        for (const node of added.flatMap(within)) {
            if (!node.matches?.("[data-sonner-toast]")) continue;
            const text = (name) => node.querySelector(`[data-${name}]`)?.textContent ?? "";
            window.toasts.push([text("title"), text("description")]);
        }
    }).observe(document, { childList: true, subtree: true });
"""


@dataclass
class Tab:
    """An open page."""

    page: Page
    asked: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    open_sockets: int = 0

    def listen(self) -> None:
        """Keep what happens from now on."""
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", self._socket)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._line)

    def _socket(self, socket: WebSocket) -> None:
        self.asked.append(socket.url)
        self.open_sockets += 1
        socket.on("close", lambda _socket: self._closed())

    def _closed(self) -> None:
        self.open_sockets -= 1

    def _line(self, line: ConsoleMessage) -> None:
        self.lines.append(line.text)
        if line.type == "error":
            self.complaints.append(line.text)

    def asked_by_fallback(self) -> list[str]:
        """What the page asked for because it had no socket."""
        return [url for url in self.asked if "/v1/changes" in url or url.endswith("/check")]

    async def line(self, beginning: str) -> str:
        """The first line of the console that begins so, once there is one."""
        return await eventually(
            lambda: next((line for line in self.lines if line.startswith(beginning)), None) or ""
        )

    async def is_live(self) -> None:
        """Wait until the pill says so."""
        connection = self.page.locator("#connection[data-state=live]")
        await expect(connection).to_be_visible(timeout=LIVE_LIMIT_MS)

    @property
    def code(self) -> Locator:
        """The codes that are to be seen."""
        return self.page.locator(".number .code:visible")

    @property
    def status(self) -> Locator:
        """What is said of the numbers."""
        return self.page.locator(".number .status")

    async def toasts(self, title: str, part: str = "") -> list[str]:
        """The lines of all toasts so far with that title whose line holds `part`."""
        told: list[list[str]] = await self.page.evaluate("window.toasts")
        return [line for said, line in told if said == title and part in line]

    async def toast(self, title: str, part: str = "") -> str:
        """The line of the only such toast, once there is one."""
        [line] = await eventually(lambda: self.toasts(title, part))
        return line

    async def shown_at(self, code: str) -> datetime:
        """When the page first showed it, once it has."""
        at_ms = await eventually(lambda: self.page.evaluate("code => window.shown[code]", code))
        return datetime.fromtimestamp(at_ms / 1000, UTC)

    def button(self, name: str) -> Locator:
        """The first button whose name begins so."""
        return self.page.get_by_role("button", name=re.compile(f"^{name}")).first


async def new_tab(context: BrowserContext, url: str) -> Tab:
    """One more tab of a browser's profile."""
    tab = Tab(await context.new_page())
    for script in (KEEP_TOASTS, KEEP_SHOWN):
        await tab.page.add_init_script(script)
    tab.listen()
    await tab.page.goto(url)
    return tab


@asynccontextmanager
async def open_tab(
    browser: Browser,
    site: str,
    bearer: str | None,
    locale: str = "en-US",
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
) -> AsyncIterator[Tab]:
    """A tab of a profile of its own, signed in by a link."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale=locale,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        permissions=["notifications", "clipboard-read", "clipboard-write"],
    )
    yield await new_tab(context, link(site, bearer))
    await context.close()


def link(site: str, bearer: str | None) -> str:
    """What a user is sent."""
    return f"{site}/" if bearer is None else f"{site}/#access_token={bearer}"
