"""Serve an ASGI application on one address until told to stop, inside the caller's TaskGroup.

Promised to the processes: it returns only when the socket is closed; a taken port is PortInUse;
signals stay with the process; after `stop` requests in flight have 8 s to end and are then
cancelled, so that all is over within 10 s. An application that waits long for facts should end its
waits when the same `stop` is set.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from db.errors import SonnetteError
from process import systemd
from process.ports import PortInUse, listening_socket
from process.settings import Address

__all__ = ["ABORT", "PortInUse", "serve"]

ABORT = "sonnette.abort"  # in an HTTP scope's extensions: a function that drops the connection

DRAIN_S = 8


class ApplicationDidNotStart(SonnetteError):
    """The application's lifespan failed at start; the log has its traceback."""


async def serve(
    app: ASGIApp,
    address: Address,
    *,
    setting: str,
    stop: asyncio.Event,
    on_listening: Callable[[], None] | None = None,
    drain_s: int = DRAIN_S,
) -> None:
    """Serve `app` on `address` until `stop` is set; `setting` is the variable that chose it.

    `on_listening` is called once, when connections are accepted.
    """
    listener = listening_socket(address, setting=setting)
    server = _Server(_config(app, drain_s), on_listening)
    async with asyncio.TaskGroup() as tasks:
        stopper = tasks.create_task(_exit_when_set(stop, server))
        started = await _run(server, listener)
        stopper.cancel()
    if not started:
        raise ApplicationDidNotStart("the application did not start; see the log")


async def _run(server: uvicorn.Server, listener: socket.socket) -> bool:
    """Serve until told to exit; False where the application's lifespan failed at start."""
    try:
        await server.serve([listener])
    except SystemExit:
        return False  # uvicorn would end the process, and leave our other tasks no time to close
    finally:
        listener.close()
    return True


def _config(app: ASGIApp, drain_s: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,  # process/logs.py has the formatter
        access_log=False,  # a query string may hold a key
        server_header=False,
        proxy_headers=False,
        http=_Http,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=drain_s,
    )


class _Http(H11Protocol):
    """uvicorn's HTTP/1.1, without a traceback in the log for what only bad clients can cause, and
    with a way for the application to drop a client that takes nothing any more.

    Garbage behind a request is answered 400 and closes the connection; uvicorn then still tries to
    send the request's own answer, and to answer garbage that follows. ASGI knows only how to end an
    answer, and that waits until the client has taken all before.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[ABORT] = transport.abort
            if scope["type"] == "http" and _has_two_lengths(scope):
                await _refuse(send)
                return
            await app(scope, receive, send)

        self.app = with_abort

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        with contextlib.suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()


def _has_two_lengths(scope: Scope) -> bool:
    """Whether a proxy may have seen the end of this request elsewhere (RFC 9112, section 6.1)."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _value in scope["headers"]}


async def _refuse(send: Send) -> None:
    """What uvicorn says to bytes that are no request, and the connection is closed."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": b"Invalid HTTP request received."})


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
        systemd.ready()
        if self._on_listening is not None:
            self._on_listening()


async def _exit_when_set(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True
