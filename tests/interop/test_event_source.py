"""/v1/events with the clients that people have: `curl -N`, and EventSource in a real Chromium."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, token
from tests.interop.browser_client import QUIET
from tests.market import Market
from tests.needs import find_chromium, needs_chromium, needs_curl
from tests.service_process import service_process

LIMIT_S = 20


class Curl:
    """`curl -N` on a stream."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self._lines = process.stdout

    async def ids_of_changes(self, count: int) -> list[int]:
        """The ids of the next changes, each of which has its data on the line after it."""
        ids: list[int] = []
        async with asyncio.timeout(LIMIT_S):
            while len(ids) < count:
                line = (await self._lines.readline()).decode()
                assert line, "curl has ended"
                if line == "event: change\n":
                    seq = int((await self._lines.readline()).removeprefix(b"id: "))
                    data = json.loads((await self._lines.readline()).removeprefix(b"data: "))
                    assert data["feed_seq"] == seq
                    ids.append(seq)
        return ids


@asynccontextmanager
async def curl(url: str, *headers: str) -> AsyncIterator[Curl]:
    given = [word for header in headers for word in ("-H", header)]
    process = await asyncio.create_subprocess_exec(
        "curl", "-N", "-s", "-S", *given, url, stdout=asyncio.subprocess.PIPE
    )
    yield Curl(process)
    process.terminate()
    await process.communicate()


@needs_curl
async def test_curl_reads_on_where_it_was_cut_off(service: RunningService, shop: Market) -> None:
    user = await shop.new_user()
    url, bearer = f"{service.address.url()}/v1/events", f"Authorization: Bearer {token(user)}"
    last = await shop.feed_seq(user)
    async with curl(f"{url}?after=0", bearer) as first:
        seen = await first.ids_of_changes(last)
    await shop.received(user, "358042")
    async with curl(url, bearer, f"Last-Event-ID: {last}") as second:
        last = await shop.feed_seq(user)
        seen += await second.ids_of_changes(last - len(seen))
        await shop.credit(user, "1.00")
        seen += await second.ids_of_changes(1)
    assert seen == list(range(1, last + 2))


LISTEN = """url => {
    window.seen = [];
    window.source = new EventSource(url);
    source.addEventListener("change", e => seen.push([e.lastEventId, JSON.parse(e.data)]));
    source.addEventListener("resync", e => seen.push(["resync", JSON.parse(e.data)]));
    source.addEventListener("token_refused", e => seen.push(["end", JSON.parse(e.data)]));
    return new Promise(done => source.addEventListener("open", () => done(), { once: true }));
}"""


@asynccontextmanager
async def chromium_page(url: str) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(), args=QUIET.split()
        )
        page = await browser.new_page()
        await page.goto(url)
        yield page
        await browser.close()


async def seen_by(page: Page, count: int) -> list[list[object]]:
    """All that the page has seen, once it is so much."""

    async def enough() -> list[list[object]] | None:
        seen: list[list[object]] = await page.evaluate("seen")
        return seen if len(seen) >= count else None

    found = await eventually(enough, LIMIT_S)
    assert found is not None
    return found


@needs_chromium
async def test_event_source_comes_back_by_itself_and_misses_nothing(
    database: Database, shop: Market, tmp_path: Path
) -> None:
    user = await shop.new_user()
    dsn = database.dsn("sonnette_service")
    async with service_process(dsn, tmp_path / "log") as service:
        url = service.address.url()
        async with chromium_page(url) as page:
            await page.evaluate(LISTEN, f"/v1/events?access_token={token(user)}")
            start = await shop.feed_seq(user)
            service.kill()  # before its first change: it knows where it began
            await shop.credit(user, "1.00")
            await service.start()
            assert [event[0] for event in await seen_by(page, 1)] == [str(start + 1)]
            service.kill()
            await shop.received(user, "358042")
            await service.start()
            last = await shop.feed_seq(user)
            seen = await seen_by(page, last - start)
            await shop.credit(user, "1.00")  # the fence
            seen = await seen_by(page, last - start + 1)
        async with service.user(user) as client:
            expected = (await changes(client, start))["changes"]
    assert seen == [[str(change["feed_seq"]), change] for change in expected]


async def changes(client: httpx.AsyncClient, after: int) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = (
        await client.get(f"/v1/changes?after={after}&limit=1000")
    ).json()
    return found


@needs_chromium
async def test_event_source_stops_when_its_token_ends(
    service: RunningService, shop: Market
) -> None:
    user = await shop.new_user()
    async with chromium_page(service.address.url()) as page:
        await page.evaluate(LISTEN, f"/v1/events?access_token={token(user, 4)}")
        [end] = await seen_by(page, 1)
        assert end[0] == "end"

        async def closed() -> bool:
            return bool(await page.evaluate("source.readyState === EventSource.CLOSED"))

        await eventually(closed, LIMIT_S)
