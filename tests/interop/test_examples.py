"""docs/examples, run as they are: over outages and pruning none misses or doubles a change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from tests.fixtures.postgres import Database
from tests.gateway_process import SECRET, GatewayProcess
from tests.interop.conftest import User
from tests.interop.examples import EXAMPLES, Example, example
from tests.market import Market
from tests.needs import needs_node
from tests.service_process import ServiceProcess, service_process

OUTAGE_S = 20
RESUMING = ("resume.mjs", "resume.py", "poll.py", "events.py")
OF_NUMBERS_ALONE = ("resume.mjs", "resume.py")


@pytest_asyncio.fixture
async def service(database: Database, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    """A service that knows the gateway's tokens."""
    dsn, log = database.dsn("sonnette_service"), tmp_path / "service.log"
    async with service_process(dsn, log, SONNETTE_JWT_SECRET=SECRET) as running:
        yield running


class Followers:
    """Every example that resumes, following the same user."""

    def __init__(self, market: Market, user: User, examples: dict[str, Example]) -> None:
        self._market = market
        self._user = user
        self.examples = examples

    async def all_listed(self, times: int = 1) -> None:
        async with asyncio.TaskGroup() as tasks:
            for one in self.examples.values():
                tasks.create_task(one.until_listed(times))

    async def all_have_seen(self, activation: object) -> None:
        """Until all have been told of the activation's last change."""
        last = max(await self._numbers("and record ->> 'id' = %s", str(activation)))
        async with asyncio.TaskGroup() as tasks:
            for one in self.examples.values():
                tasks.create_task(one.until_seen(last))

    async def assert_each_was_told_all_once(self, after: int) -> None:
        numbers = await self._numbers("and table_name = 'activations'")
        every = await self._numbers("")
        for name, one in self.examples.items():
            begun = max(after, one.lists[-1])
            there = numbers if name in OF_NUMBERS_ALONE else every
            told = [seq for seq in one.changes if seq > begun]
            assert told == [seq for seq in there if begun < seq <= one.changes[-1]], name

    async def _numbers(self, where: str, *values: object) -> list[int]:
        found = await self._market.owner.execute(
            f"select m.seq from sonnette.numbers m join sonnette.changes c using (tx, n)"
            f" where m.user_id = %s {where} order by m.seq".encode(),
            (self._user.id, *values),
        )
        return [int(row[0]) for row in await found.fetchall()]


@asynccontextmanager
async def followers(
    gateway: GatewayProcess, service: ServiceProcess, market: Market, user: User, folder: Path
) -> AsyncIterator[Followers]:
    async with AsyncExitStack() as stack:
        running = {}
        for name in RESUMING:
            urls = [gateway.url] if name in OF_NUMBERS_ALONE else []
            (folder / name).mkdir()
            started = example(name, folder / name, *urls, service.address.url(), user.token)
            running[name] = await stack.enter_async_context(started)
        yield Followers(market, user, running)


@needs_node
async def test_over_an_outage_of_20_seconds_and_a_second_one_each_change_comes_once(
    gateway: GatewayProcess, service: ServiceProcess, market: Market, alice: User, tmp_path: Path
) -> None:
    async with followers(gateway, service, market, alice, tmp_path) as all_of_them:
        await all_of_them.all_listed()
        await all_of_them.all_have_seen(await market.received(alice.id, "404040"))
        for outage_s in (OUTAGE_S, 0):
            assert await gateway.stop() == 0
            service.kill()
            missed = await market.received(alice.id, "404041")
            await asyncio.sleep(outage_s)  # the clients' own timers are what is tested
            await gateway.start()
            await service.start()
            await all_of_them.all_have_seen(missed)
        await all_of_them.all_have_seen(await market.received(alice.id, "404042"))
        assert {len(one.lists) for one in all_of_them.examples.values()} == {1}
        await all_of_them.assert_each_was_told_all_once(0)


@needs_node
async def test_a_cursor_that_is_too_old_when_they_come_back_is_read_anew(
    gateway: GatewayProcess, service: ServiceProcess, market: Market, alice: User, tmp_path: Path
) -> None:
    async with followers(gateway, service, market, alice, tmp_path) as all_of_them:
        await all_of_them.all_listed()
        assert await gateway.stop() == 0
        service.kill()
        await market.received(alice.id, "404040")
        await market.owner.execute("select sonnette.prune(interval '0', 1000)")
        pruned_to = await market.feed_seq(alice.id)
        await gateway.start()
        await service.start()
        await all_of_them.all_listed(2)
        assert {one.lists[-1] for one in all_of_them.examples.values()} == {pruned_to}
        await all_of_them.all_have_seen(await market.received(alice.id, "404041"))
        await all_of_them.assert_each_was_told_all_once(pruned_to)


# --- the receipt


async def test_the_receipt_proves_that_nothing_was_missed(
    gateway: GatewayProcess, market: Market, alice: User, tmp_path: Path
) -> None:
    url = gateway.websocket_url(None, "2.0.0")
    async with example("receipt.py", tmp_path, url, alice.token, "0") as one:
        await market.received(alice.id, "404040")
        last = await market.feed_seq(alice.id)
        await one.until_seen(last)
        assert one.changes == list(range(1, last + 1))
        await gateway.stop()
        assert await one.ended() == (1, f"cut off after {last}: go on from there")


@asynccontextmanager
async def without(gateway: GatewayProcess, seq: int) -> AsyncIterator[str]:
    """The URL of a relay that swallows the change of that number."""

    async def hand_on(upstream: ClientConnection, client: ServerConnection) -> None:
        async for frame in upstream:
            dropped = '"postgres_changes",' in str(frame) and f'"feed_seq":{seq},' in str(frame)
            if not dropped:
                await client.send(frame)

    async def relay(client: ServerConnection) -> None:
        async with connect(gateway.websocket_url(None, "2.0.0")) as upstream:
            await upstream.send(await client.recv())
            handing_on = asyncio.ensure_future(hand_on(upstream, client))
            await client.wait_closed()
            handing_on.cancel()

    async with serve(relay, "127.0.0.1", 0) as server:
        [listening] = server.sockets
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}"


async def test_the_receipt_notices_a_frame_that_was_dropped(
    gateway: GatewayProcess, market: Market, alice: User, tmp_path: Path
) -> None:
    await market.received(alice.id, "404040")
    async with (
        without(gateway, 4) as url,
        example("receipt.py", tmp_path, url, alice.token, "0") as one,
    ):
        assert await one.ended() == (1, "missing: 5 follows 4, not 3")
        assert one.changes == [1, 2, 3]


async def test_the_receipt_takes_no_resync_for_a_proof(
    gateway: GatewayProcess, market: Market, alice: User, tmp_path: Path
) -> None:
    url = gateway.websocket_url(None, "2.0.0")
    async with example("receipt.py", tmp_path, url, alice.token, "999") as one:
        code, said = await one.ended()
        assert (code, said.startswith("not served from 999")) == (1, True)


def test_the_examples_are_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.iterdir()}
    assert max(lengths.values()) < 40, lengths
