"""Limits of a running gateway: who reaches one is told so, and gets in when there is room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.db_helpers import ALICE, BOB, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import Wire, cargo, wire
from tests.integration.test_gateway_bad_input import counted

PLACES = "ConnectionRateLimitReached: Too many sockets"


@asynccontextmanager
async def limited(
    database: Database, tmp_path: Path, **limits: int
) -> AsyncIterator[GatewayProcess]:
    """A gateway with these limits for the length of a block."""
    settings = {f"SONNETTE_{name.upper()}": str(value) for name, value in limits.items()}
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    async with gateway_process(dsn, log, **settings) as gateway:
        yield gateway


@asynccontextmanager
async def wire_from(gateway: GatewayProcess, address: str) -> AsyncIterator[Wire]:
    """A socket whose client has that address, says the proxy on this machine."""
    url = gateway.websocket_url(None, "2.0.0")
    headers = {"X-Forwarded-For": f"203.0.113.1, {address}"}
    async with connect(url, compression=None, additional_headers=headers) as connection:
        yield Wire(connection, "2.0.0")


async def test_a_user_has_so_many_sockets_and_the_next_waits_for_a_place(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    async with (
        limited(database, tmp_path, max_sockets_per_user=2) as gateway,
        wire(gateway) as third,
    ):
        async with wire(gateway) as first, wire(gateway) as second:
            await first.subscribe(token(ALICE), cargo())
            await second.subscribe(token(ALICE), cargo())
            await third.join(token(ALICE), cargo())
            assert await third.refusal() == f"{PLACES} of this user; at most 2"
            await third.alive()
            async with wire(gateway) as bob:
                await bob.subscribe(token(BOB), cargo())
        await eventually(lambda: sockets(gateway, 1))
        await third.subscribe(token(ALICE), cargo())
        assert await counted(gateway, 'joins_refused_total{why="user sockets"}') == 1


async def sockets(gateway: GatewayProcess, count: int) -> bool:
    return await counted(gateway, "sockets") == count


async def test_an_address_has_so_many_sockets_and_another_has_its_own(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    async with (
        limited(database, tmp_path, max_sockets_per_address=1) as gateway,
        wire_from(gateway, "192.0.2.1") as first,
        wire_from(gateway, "192.0.2.1") as second,
        wire_from(gateway, "192.0.2.2") as elsewhere,
        wire(gateway) as local,
    ):
        await first.subscribe(token(ALICE), cargo())
        await second.join(token(BOB), cargo())
        assert await second.refusal() == f"{PLACES} from this address; at most 1"
        await elsewhere.subscribe(token(BOB), cargo())
        await local.subscribe(token(BOB), cargo())
        with pytest.raises(InvalidStatus) as refused:
            async with wire_from(gateway, "192.0.2.1"):
                pass
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "10"
        assert await counted(gateway, 'handshakes_refused_total{limit="address sockets"}') == 1


async def test_a_proxy_that_is_not_trusted_is_a_client_like_any_other(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    settings = {"SONNETTE_MAX_SOCKETS_PER_ADDRESS": "1", "SONNETTE_TRUSTED_PROXIES": "none"}
    async with (
        gateway_process(dsn, log, **settings) as gateway,
        wire_from(gateway, "192.0.2.1") as first,
        wire_from(gateway, "192.0.2.2") as second,
    ):
        await first.subscribe(token(ALICE), cargo())
        await second.join(token(BOB), cargo())
        assert await second.refusal() == f"{PLACES} from this address; at most 1"


async def test_there_are_so_many_places_in_all(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    async with (
        limited(database, tmp_path, max_sockets=1) as gateway,
        wire(gateway) as first,
        wire(gateway) as second,
    ):
        await first.subscribe(token(ALICE), cargo())
        await second.join(token(BOB), cargo())
        assert await second.refusal() == "ConnectionRateLimitReached: Too many connected users"
        with pytest.raises(InvalidStatus) as refused:
            async with wire(gateway):
                pass
        assert refused.value.response.status_code == 503
        assert await gateway.problems() == []  # the probes are answered all the same


async def test_joins_over_the_rate_are_refused_and_the_socket_lives_on(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    async with (
        limited(database, tmp_path, max_channels=2, socket_joins_per_s=1) as gateway,
        wire(gateway) as alice,
    ):
        await alice.subscribe(token(ALICE), cargo())
        for _ in range(20):
            await alice.join("junk", topic="realtime:other")
        reasons = [await alice.refusal() for _ in range(20)]
        assert reasons[0].startswith("MalformedJWT: ")
        assert reasons[-1] == "ClientJoinRateLimitReached: Too many joins per second"
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert (await alice.change()).seq == 1
        refused = await counted(gateway, 'joins_refused_total{why="ClientJoinRateLimitReached"}')
        assert 0 < refused < 20


async def test_frames_over_the_rate_are_read_later_and_none_is_lost(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    async with limited(database, tmp_path, socket_frames_per_s=50) as gateway:
        async with wire(gateway) as alice, asyncio.TaskGroup() as tasks:
            frames = 400
            tasks.create_task(beats(alice, frames))
            for number in range(1, frames + 1):
                assert (await alice.frame())["ref"] == str(number)
        assert await counted(gateway, "frames_slowed_total") > 0


async def beats(one: Wire, count: int) -> None:
    for _ in range(count):
        await one.say("heartbeat", {}, "phoenix")
