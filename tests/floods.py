"""Somebody who sends more than anybody needs, of every kind, and reads no answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from bench import wire as rfc6455
from tests.db_helpers import BOB
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import cargo

UPGRADE = rfc6455.upgrade_request("x", "/realtime/v1/websocket?vsn=2.0.0")
JUNK = rfc6455.frame(rfc6455.TEXT, b"junk")


def joins() -> bytes:
    """Joins as large as they may be: each with forty patterns to be made ready."""
    bindings = [cargo(filter=f"note=like.%{number}%,id=gt.{number}") for number in range(40)]
    payload = {"access_token": token(BOB), "config": {"postgres_changes": bindings}}
    text = json.dumps(["1", "1", "realtime:flood", "phx_join", payload]).encode()
    return rfc6455.frame(rfc6455.TEXT, text)


FLOODS: Mapping[str, Callable[[], bytes]] = {
    "pings": lambda: rfc6455.frame(rfc6455.PING, b"") * 20_000,
    "junk": lambda: JUNK * 10_000,
    "joins": lambda: joins() * 50,
    "huge frames": lambda: rfc6455.frame(rfc6455.TEXT, b"x" * 262_000) * 4,
    "one frame too huge": lambda: rfc6455.frame(rfc6455.TEXT, b"x" * 10_000_000),
    "a frame in crumbs": lambda: b"\x01\x80" + bytes(4) + (b"\x00\x80" + bytes(4)) * 20_000,
}


@asynccontextmanager
async def flood(gateway: GatewayProcess, data: bytes, senders: int = 3) -> AsyncIterator[None]:
    """Some who send `data` again and again for the length of a block, and read nothing."""
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

    flooding = [asyncio.ensure_future(run()) for _ in range(senders)]
    try:
        yield
    finally:
        for one in flooding:
            one.cancel()
        await asyncio.wait(flooding)


@asynccontextmanager
async def half_handshakes(gateway: GatewayProcess, count: int) -> AsyncIterator[None]:
    """So many who begin to ask for a socket, and never end, for the length of a block."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    halves = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(count)]
    try:
        for half in halves:
            half.write(UPGRADE[:40])
        yield
    finally:
        for half in halves:
            half.transport.abort()
