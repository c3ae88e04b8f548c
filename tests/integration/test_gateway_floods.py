"""One client floods; an honest one beside it, and one that comes meanwhile, notice nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bench import wire as rfc6455
from tests.db_helpers import ALICE, BOB, Connection
from tests.facts import eventually
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import cargo, follower, wire
from tests.integration.test_gateway_bad_input import counted
from tests.integration.test_gateway_failures import all_seen, rows_more, writing

CHANGES = 100
UPGRADE = rfc6455.upgrade_request("x", "/realtime/v1/websocket?vsn=2.0.0")
JUNK = rfc6455.frame(rfc6455.TEXT, b"junk")


def joins() -> bytes:
    """Joins as large as they may be: each with forty patterns to be made ready."""
    bindings = [cargo(filter=f"note=like.%{number}%,id=gt.{number}") for number in range(40)]
    payload = {"access_token": token(BOB), "config": {"postgres_changes": bindings}}
    text = json.dumps(["1", "1", "realtime:flood", "phx_join", payload]).encode()
    return rfc6455.frame(rfc6455.TEXT, text)


FLOODS = {
    "pings": lambda: rfc6455.frame(rfc6455.PING, b"") * 20_000,
    "junk": lambda: JUNK * 10_000,
    "joins": lambda: joins() * 50,
    "huge frames": lambda: rfc6455.frame(rfc6455.TEXT, b"x" * 262_000) * 4,
    "one frame too huge": lambda: rfc6455.frame(rfc6455.TEXT, b"x" * 10_000_000),
    "a frame in crumbs": lambda: b"\x01\x80" + bytes(4) + (b"\x00\x80" + bytes(4)) * 20_000,
}


@asynccontextmanager
async def flood(gateway: GatewayProcess, data: bytes) -> AsyncIterator[None]:
    """Somebody who sends `data` again and again for the length of a block, and reads nothing."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")

    async def run() -> None:
        while True:
            with suppress(ConnectionError):
                reader, writer = await asyncio.open_connection(host, int(port))
                try:
                    writer.write(UPGRADE)
                    await reader.readuntil(b"\r\n\r\n")
                    while True:
                        writer.write(data)
                        await writer.drain()
                except asyncio.IncompleteReadError:
                    pass  # sent away, and back again
                finally:
                    writer.transport.abort()
            await asyncio.sleep(0.01)

    flooding = [asyncio.ensure_future(run()) for _ in range(3)]
    try:
        yield
    finally:
        for one in flooding:
            one.cancel()
        await asyncio.wait(flooding)


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_disturbs_nobody_else(
    gateway: GatewayProcess, cargo_db: Connection, kind: str
) -> None:
    began = await counted(gateway, "frames_slowed_total")
    async with follower(gateway, ALICE) as honest, flood(gateway, FLOODS[kind]()):
        await eventually(lambda: slowed(gateway, began), 20)
        async with writing(cargo_db, ALICE) as written:
            await rows_more(written, CHANGES)
        await all_seen(honest, written)
        assert honest.sockets == 1
        async with wire(gateway) as newcomer:
            await newcomer.subscribe(token(ALICE), cargo())
            await newcomer.alive()
        assert await gateway.problems() == []


async def slowed(gateway: GatewayProcess, before: float) -> bool:
    return await counted(gateway, "frames_slowed_total") > before


async def test_half_handshakes_keep_nobody_out(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    halves = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(300)]
    try:
        for half in halves:
            half.write(UPGRADE[:40])
        await eventually(lambda: half_open(gateway, 300))
        async with wire(gateway) as alice:
            await alice.subscribe(token(ALICE), cargo())
            await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
            assert (await alice.change()).seq == 1
    finally:
        for half in halves:
            half.transport.abort()
    await eventually(lambda: half_open(gateway, 0))


async def half_open(gateway: GatewayProcess, count: int) -> bool:
    # The one that asks is not half open any more when it is answered.
    return await counted(gateway, "opening") == count
