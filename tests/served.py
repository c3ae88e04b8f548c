"""Serving an application on a port of its own for the length of a block."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from process import http
from process.settings import Address

DRAIN_S = 1


def free_address() -> Address:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Address("127.0.0.1", int(probe.getsockname()[1]))


@asynccontextmanager
async def served(app: ASGIApp, address: Address | None = None) -> AsyncIterator[Address]:
    """`app`, listening from the first line of the block until its last."""
    where, stop, listening = address or free_address(), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            http.serve(
                app,
                where,
                setting="a test",
                stop=stop,
                on_listening=listening.set,
                drain_s=DRAIN_S,
            )
        )
        await listening.wait()
        try:
            yield where
        finally:
            stop.set()
