"""Serve an ASGI application on one address until told to stop, inside the caller's TaskGroup.

Promised to the processes: it returns only when the socket is closed; a taken port is PortInUse;
signals stay with the process; after `stop` requests in flight have 8 s to end, then are cancelled,
so that all is over within 10 s. An application that waits long for facts should end its waits when
the same `stop` is set.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from process.ports import PortInUse, listening_socket
from process.settings import Address

__all__ = ["PortInUse", "serve"]

DRAIN_S = 8


class ApplicationDidNotStart(Exception):
    """The application's lifespan failed at start; the log has its traceback."""


async def serve(
    app: ASGIApp,
    address: Address,
    *,
    setting: str,
    stop: asyncio.Event,
    on_listening: Callable[[], None] | None = None,
) -> None:
    """Serve `app` on `address` until `stop` is set; `setting` is the variable that chose it.

    `on_listening` is called once, when connections are accepted.
    """
    listener = listening_socket(address, setting=setting)
    server = _Server(_config(app), on_listening)
    async with asyncio.TaskGroup() as tasks:
        stopper = tasks.create_task(_exit_when_set(stop, server))
        try:
            await server.serve([listener])
        except SystemExit:
            # uvicorn ends the process here, which would leave the other tasks no time to close.
            raise ApplicationDidNotStart("the application did not start; see the log") from None
        finally:
            stopper.cancel()
            listener.close()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,  # process/logs.py has the formatter
        access_log=False,  # a query string may hold a key
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_S,
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, and with a word when it listens."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_listening is not None:
            self._on_listening()


async def _exit_when_set(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True
