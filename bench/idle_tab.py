"""What an open tab costs that waits: the page on its socket, beside a page that polls every 3 s.

    python -m bench.idle_tab 'http://127.0.0.1:8000/#access_token=...' --minutes 20

Both tabs are open in one Chromium at the same time, against a running Sonnette; the link is the one
that `make run` prints. Counted from when the page is live: requests, bytes as Chromium saw them on
the wire (headers and WebSocket frames included), wake-ups (each turn of script: a timer, a message,
an answer) and the time that script and all tasks took.
"""

import argparse
import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.async_api import Browser, CDPSession, Page, async_playwright

from tests.interop.browser_client import QUIET
from tests.needs import find_chromium

LIVE_LIMIT_MS = 30_000
FRAME_HEADER_BYTES = 6  # of a short frame from a client; from a server it is 2
# What the predecessor's page did: read its list again and again.
POLLER = """([token]) => setInterval(async () => {
    const headers = { Authorization: `Bearer ${token}` };
    await (await fetch("/v1/activations?limit=50", { headers })).json();
}, 3000)"""
COUNT_WAKES = """
    window.wakes = 0;
    for (const name of ["setTimeout", "setInterval"]) {
        const real = window[name];
        const counted = (work) => (...given) => { window.wakes++; work(...given); };
        window[name] = (work, ...rest) => real(counted(work), ...rest);
    }
    const fetched = window.fetch;
    window.fetch = (...given) => fetched(...given).finally(() => window.wakes++);
    const Real = window.WebSocket;
    window.WebSocket = class extends Real {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", () => window.wakes++);
        }
    };
"""


@dataclass
class Cost:
    """Of one tab, since `began`."""

    requests: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    frames: int = 0
    wakes: int = 0
    script_s: float = 0.0
    tasks_s: float = 0.0


class Watched:
    """A tab whose traffic is counted."""

    def __init__(self, page: Page, protocol: CDPSession) -> None:
        self.page = page
        self._protocol = protocol
        self.cost = Cost()

    async def begin(self) -> None:
        """Count from now on."""
        for name in ("Network.enable", "Performance.enable"):
            await self._protocol.send(name)
        self._before = await self._metrics()
        await self.page.evaluate("window.wakes = 0")
        self.cost = cost = Cost()

        def requested(event: dict[str, dict[str, dict[str, str]]]) -> None:
            cost.requests += 1
            cost.sent_bytes += sum(len(k) + len(v) + 4 for k, v in event["headers"].items())

        def loaded(event: dict[str, float]) -> None:
            cost.received_bytes += int(event["encodedDataLength"])

        def sent(event: dict[str, dict[str, str]]) -> None:
            cost.frames += 1
            cost.sent_bytes += len(event["response"]["payloadData"]) + FRAME_HEADER_BYTES

        def received(event: dict[str, dict[str, str]]) -> None:
            cost.frames += 1
            cost.received_bytes += len(event["response"]["payloadData"]) + 2

        self._protocol.on("Network.requestWillBeSentExtraInfo", requested)
        self._protocol.on("Network.loadingFinished", loaded)
        self._protocol.on("Network.webSocketFrameSent", sent)
        self._protocol.on("Network.webSocketFrameReceived", received)

    async def end(self) -> Cost:
        """What it was."""
        after = await self._metrics()
        self.cost.wakes = await self.page.evaluate("window.wakes")
        self.cost.script_s = after["ScriptDuration"] - self._before["ScriptDuration"]
        self.cost.tasks_s = after["TaskDuration"] - self._before["TaskDuration"]
        return self.cost

    async def _metrics(self) -> dict[str, float]:
        told = await self._protocol.send("Performance.getMetrics")
        return {each["name"]: each["value"] for each in told["metrics"]}


async def measure(link: str, seconds: float) -> dict[str, Cost]:
    """Both tabs, for that long."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), args=QUIET.split()
        )
        pushed, polling = await _tab(browser), await _tab(browser)
        await pushed.page.goto(link)
        live = pushed.page.locator("#connection[data-state=live]")
        await live.wait_for(timeout=LIVE_LIMIT_MS)
        parts = urlsplit(link)
        await polling.page.goto(f"{parts.scheme}://{parts.netloc}/livez")
        await polling.page.evaluate(POLLER, [parts.fragment.removeprefix("access_token=")])
        for tab in (pushed, polling):
            await tab.begin()
        await asyncio.sleep(seconds)
        costs = {"push": await pushed.end(), "polling": await polling.end()}
        await browser.close()
        return costs


async def _tab(browser: Browser) -> Watched:
    context = await browser.new_context()
    page = await context.new_page()
    await page.add_init_script(COUNT_WAKES)
    return Watched(page, await context.new_cdp_session(page))


def report(costs: dict[str, Cost]) -> str:
    """A table, ready for docs/performance.md."""
    rows = ["| | " + " | ".join(costs) + " |", "|---|" + "---:|" * len(costs)]
    for name in vars(Cost()):
        values = [vars(cost)[name] for cost in costs.values()]
        shown = [f"{value:.2f}" if isinstance(value, float) else f"{value:,}" for value in values]
        rows.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(rows)


def main() -> None:
    """The command line."""
    asked = argparse.ArgumentParser(description="What an idle tab costs, beside polling every 3 s")
    asked.add_argument("link", help="the link that `make run` prints")
    asked.add_argument("--minutes", type=float, default=20)
    given = asked.parse_args()
    print(report(asyncio.run(measure(given.link, given.minutes * 60))))


if __name__ == "__main__":
    main()
