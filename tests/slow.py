"""Clients that take little from their socket, or nothing."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from websockets.asyncio.client import connect

from tests.gateway_process import GatewayProcess
from tests.integration.gateway_wire import Wire

SMALL_BUFFER = 4096  # of the system's own, so that little is read ahead


@asynccontextmanager
async def slow_wire(gateway: GatewayProcess, port: int | None = None) -> AsyncIterator[Wire]:
    """A client that takes from the system only what it is about to read, if at all."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(
        raw, ("127.0.0.1", port or urlsplit(gateway.url).port)
    )
    url = gateway.websocket_url(None, "2.0.0")
    async with connect(
        url, sock=raw, compression=None, ping_interval=None, max_queue=1, close_timeout=1
    ) as connection:
        yield Wire(connection, "2.0.0")
        connection.transport.abort()


@asynccontextmanager
async def dripped(one: Wire) -> AsyncIterator[None]:
    """It reads a byte each second for the length of a block."""
    descriptor = one.connection.transport.get_extra_info("socket").fileno()

    async def drip() -> None:
        while True:
            os.read(descriptor, 1)
            await asyncio.sleep(1)

    dripping = asyncio.ensure_future(drip())
    try:
        yield
    finally:
        dripping.cancel()
        await asyncio.wait([dripping])
