"""The WebSocket server: accepts clients, hands their frames to a session, looks after the sockets.

Compression is off (64 KiB a socket, and small frames gain nothing); pings come from one timer for
all sockets. A client is refused at the join, not at the handshake, because some clients never come
back from a refused handshake; only what can be no client of ours gets an HTTP error.
"""

import asyncio
import contextlib
import logging
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from gateway import handshake
from gateway.connection import Connection, Door
from gateway.handshake import Handshake
from gateway.health import Health
from gateway.hub import Hub
from gateway.metrics import Metrics
from gateway.places import Most, Places
from gateway.protocol import BadFrame
from gateway.returns import Caller, Returns
from gateway.session import Limits, Session
from gateway.socket import USUAL, Patience, Socket, relieve
from process.addresses import networks
from process.guard import Guard
from process.ports import BACKLOG
from process.rates import Rate
from process.settings import Settings
from process.tokens import UnknownKey

log = structlog.get_logger(__name__)

PATHS = frozenset({"/realtime/v1/websocket", "/socket/websocket"})
HANDLER_FAILED = "connection handler failed"  # how websockets reports a mistake of ours
LOOK_EVERY_S = 1.0
LOOKS_PER_TURN = 25  # then a change goes first: 500 looks in a row were 2 ms of its delay
OPEN_LIMIT_S = 10
CLOSE_LIMIT_S = 4  # with the relay's 2, the next line's and the database's 1: a stop takes 10 s
LAST_LIMIT_S = 1  # for those who have connected and not yet asked for anything
FRAMES_BURST_S = 5  # a socket may send what it may in that time at once
JOINS_BURST = 2  # for each channel: supabase-js' first joins are without a token, and refused
SPARE_FILES = 64  # for the database, the log, and what the system opens
RETRY_AFTER_S = "10"
FORGOTTEN = Request("", Headers())
UNSENT_BYTES = 131_072  # what the system takes of a socket's beyond what is under way
FULL_SHARE, DRAINED_SHARE = 4, 16  # of a buffer: changes wait from a quarter to a sixteenth


class GatewayServer:
    """Serves clients of `hub` on a listening socket, until `run` is told to stop."""

    def __init__(
        self,
        hub: Hub,
        guard: Guard,
        health: Health,
        metrics: Metrics,
        settings: Settings,
        patience: Patience = USUAL,
    ) -> None:
        self._hub = hub
        self._patience = patience
        self._guard = guard
        self._health = health
        self._metrics = metrics
        self._settings = settings
        joins = Rate(settings.socket_joins_per_s, settings.max_channels * JOINS_BURST)
        self._limits = Limits(settings.max_channels, settings.max_bindings, joins)
        self._proxies = networks(settings.trusted_proxies)
        self._on_refused = lambda why: metrics.refused.labels(why=why).inc()
        self._clients: dict[ServerConnection, tuple[Socket, Session]] = {}
        self._returns = Returns()
        self._given_up: Counter[str] = Counter()  # since the last look
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
        self._places = Places(_most(settings, files))
        frames = settings.socket_frames_per_s
        self._door = Door(
            Rate(frames, frames * FRAMES_BURST_S),
            files,
            slowed=metrics.frames_slowed.inc,
            cut=self._gave_up,
        )
        metrics.opening.set_function(lambda: self._door.opening)

    async def run(
        self, listening: socket.socket, stop: asyncio.Event, finish: Callable[[], Awaitable[None]]
    ) -> None:
        """Serve until `stop` is set; then accept no more, `finish`, close with 1012, and return."""
        most = self._settings.max_buffer_bytes
        # Inherited by each accepted socket. Without it the system's own buffer takes megabytes for
        # a client that never reads, which others wait for, and hides from us that it is stuck.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        server = await serve(
            self._handle,
            sock=listening,
            backlog=BACKLOG,
            process_request=self._process_request,
            compression=None,
            ping_interval=None,
            open_timeout=OPEN_LIMIT_S,
            close_timeout=CLOSE_LIMIT_S,
            max_size=self._settings.max_frame_bytes,
            server_header=None,
            logger=_websockets_log(),
            write_limit=(most // FULL_SHARE, most // DRAINED_SHARE),
            create_connection=self._door.connect,  # type: ignore[arg-type]
        )
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look_after(tasks))
            await stop.wait()
            server.close(close_connections=False)
            await finish()
            await self._drain(server)
            looking.cancel()

    async def _process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        path = request.path.partition("?")[0]
        health = self._health.respond(connection, path)
        if health is not None:
            return health
        if path not in PATHS:
            return connection.respond(HTTPStatus.NOT_FOUND, "there is no such path\n")
        said = self._read(connection, request)
        if said.serializer is None:
            return connection.respond(HTTPStatus.FORBIDDEN, "")
        await self._let_wait(said.caller)
        return self._no_room(connection, said.address)

    def _read(self, connection: ServerConnection, request: Request) -> Handshake:
        peer = connection.remote_address
        said = handshake.read(request, str(peer[0]) if peer else "", self._proxies)
        if isinstance(connection, Connection):
            connection.said = said
        return said

    def _no_room(self, connection: ServerConnection, address: str | None) -> Response | None:
        """The refusal of a handshake, where not even waiting for a place is possible."""
        limit = self._places.full_for(address)
        if limit is None:
            return None
        self._metrics.full.labels(limit=limit).inc()
        log.info("handshake refused", limit=limit)
        status = HTTPStatus.SERVICE_UNAVAILABLE if limit == "sockets" else 429
        response = connection.respond(status, "too many sockets are open; come back later\n")
        response.headers["Retry-After"] = RETRY_AFTER_S
        return response

    async def _let_wait(self, who: Caller) -> None:
        """Slow down who is here again and again; see gateway/returns.py."""
        wait_s = self._returns.wait_s(who, asyncio.get_running_loop().time())
        if wait_s:
            self._metrics.slowed.inc()
            await asyncio.sleep(wait_s)

    async def _handle(self, connection: ServerConnection) -> None:
        clock = asyncio.get_running_loop().time
        who, session, client = self._welcome(connection)
        opened_s = clock()
        self._clients[connection] = client, session
        self._metrics.sockets.inc()
        try:
            async for data in connection:
                client.last_heard_at = clock()
                await self._receive(session, data)
                await asyncio.sleep(0)  # a queue of joins is not worked off in one go
        except ConnectionClosed:
            pass
        finally:
            del self._clients[connection]
            self._metrics.sockets.dec()
            session.close()
            farewell = bool(connection.protocol.close_rcvd_then_sent)
            self._returns.ended(who, clock() - opened_s, farewell, clock())

    def _welcome(self, connection: ServerConnection) -> tuple[Caller, Session, Socket]:
        """What there is of a client whose handshake is done; the handshake itself is forgotten."""
        said = connection.said if isinstance(connection, Connection) else None
        if said is None or said.serializer is None:
            raise RuntimeError("a handshake was accepted that process_request refuses")
        now_s = asyncio.get_running_loop().time()
        client = Socket(connection, self._settings.max_buffer_bytes, self._metrics, now_s)
        session = Session(
            said.serializer,
            client,
            self._hub,
            self._guard.verifier,
            self._limits,
            self._places.enter(said.address),
            said.key,
            self._on_refused,
        )
        if isinstance(connection, Connection):
            connection.on_drained, connection.said = session.drained, None
        connection.request, connection.response = FORGOTTEN, None  # 1.4 KiB
        return said.caller, session, client

    async def _receive(self, session: Session, data: str | bytes) -> None:
        """Act on a frame. Its token may name a new key: then the frames behind it wait, too."""
        self._metrics.frames_in.inc()
        came_at = datetime.now(UTC)
        while not self._acted(session, data, came_at):
            await self._guard.newer_keys()

    def _acted(self, session: Session, data: str | bytes, came_at: datetime) -> bool:
        try:
            session.receive(data, datetime.now(UTC), came_at)
        except UnknownKey:
            return False
        except BadFrame as bad:
            # As on Supabase the connection lives on: the frame is the client's own loss.
            self._metrics.bad_frames.inc()
            log.debug("bad frame", reason=str(bad))
        return True

    def _gave_up(self, why: str) -> None:
        """One that has not yet asked for anything. They come by the thousand: one line a second."""
        self._metrics.cut.labels(reason=why).inc()
        self._given_up[why] += 1

    def _say_given_up(self) -> None:
        for why, count in self._given_up.items():
            log.info("connections given up", reason=why, connections=count)
        self._given_up.clear()

    async def _look_after(self, tasks: asyncio.TaskGroup) -> None:
        """The one timer: tokens that expired or were revoked, sockets that hang, pings."""
        clock = asyncio.get_running_loop().time
        seen = 0
        while True:
            slept_at_s = clock()
            await asyncio.sleep(LOOK_EVERY_S)
            self._excuse(clock() - slept_at_s - LOOK_EVERY_S)
            self._say_given_up()
            now_s = datetime.now(UTC).timestamp()
            before, seen = seen, self._guard.revocations.version
            unread_bytes = 0
            for place, (client, session) in enumerate(list(self._clients.values())):
                unread_bytes += client.unread_bytes
                session.expire(now_s)
                if seen != before and session.end_revoked():
                    tasks.create_task(client.close(CloseCode.POLICY_VIOLATION, "token revoked"))
                await client.look(clock(), self._patience)
                if place % LOOKS_PER_TURN == 0:
                    await asyncio.sleep(0)
            self._bound(unread_bytes)

    def _excuse(self, stood_s: float) -> None:
        """While this process stood still (SIGSTOP, a suspended machine) nobody could be heard."""
        if stood_s >= LOOK_EVERY_S:
            for client, _session in self._clients.values():
                client.excuse(stood_s)

    def _bound(self, unread_bytes: int) -> None:
        """What all together have not read: where it is too much, who has most of it goes."""
        self._metrics.buffered.set(unread_bytes)
        most_bytes = self._settings.max_buffered_bytes
        if unread_bytes > most_bytes:
            relieve([client for client, _session in self._clients.values()], most_bytes)

    async def _drain(self, server: Server) -> None:
        """Tell everybody to come back (1012, "service restart"); cut who hangs."""
        connections = list(self._clients)
        log.info("draining", sockets=len(connections))
        closing = [asyncio.ensure_future(one.close(1012, "restart")) for one in connections]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_LIMIT_S)
        for client, _session in self._clients.values():
            client.cut("drain")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_LIMIT_S):
                await server.wait_closed()


def _most(settings: Settings, files: int) -> Most:
    return Most(
        settings.max_sockets_per_user,
        settings.max_sockets_per_address,
        settings.max_sockets,
        most_open=files - files // 20,  # the others have only begun to connect
    )


def _websockets_log() -> logging.Logger:
    """websockets' own log without failed handshakes: their errors quote the request, its key too.

    And there are many of them, because each probe that only opens a port is one.
    """
    found = logging.getLogger("websockets.gateway")
    found.filters = [lambda record: not record.exc_info or record.msg == HANDLER_FAILED]
    return found
