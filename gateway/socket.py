"""One WebSocket as the gateway holds it: frames out without waiting, and an end to those who hang.

Frames are written at once and never awaited, so that no client can slow another down. What a client
does not read collects in its own bounded buffer. From a quarter of that on its changes wait in the
log. A full buffer, or one of which nothing is read for ten seconds, ends the socket, with 1013 if
its client reads at all. Its cursor lets it resume.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import State

from gateway.metrics import Metrics

log = structlog.get_logger(__name__)

GOODBYE_LIMIT_S = 5


@dataclass(frozen=True)
class Patience:
    """How long a client may hang: nothing of a buffer read, nothing heard; pinged before that.

    Stuck for 8 s, a second until it is noticed, and one until it is looked at: gone in 10.
    """

    stuck_s: float = 8
    ping_after_s: float = 20
    silence_s: float = 60


USUAL = Patience()


class Socket:
    """A client's connection. Times are of the loop's clock, in seconds."""

    __slots__ = ("_connection", "_goodbye", "_max_buffer_bytes", "_metrics", "_pinged_at",
                 "_stuck_since", "_unread", "last_heard_at")  # fmt: skip

    def __init__(
        self, connection: ServerConnection, max_buffer_bytes: int, metrics: Metrics, now_s: float
    ) -> None:
        self._connection = connection
        self._max_buffer_bytes = max_buffer_bytes
        self._metrics = metrics
        self._pinged_at = now_s
        self._goodbye: tuple[str, float] | None = None  # why 1013 was said, and until when it waits
        self._stuck_since: float | None = None
        self._unread = 0  # bytes in the buffer when it was last looked at
        self.last_heard_at = now_s

    @property
    def full(self) -> bool:
        """The client has much to read: changes wait in the log until it has."""
        return self._connection.paused

    @property
    def unread_bytes(self) -> int:
        """Bytes in the buffer."""
        return self._connection.transport.get_write_buffer_size()

    def send(self, frame: str) -> None:
        """Write a frame; end the socket if its buffer is full already.

        One frame always fits, however large: or its client would be ended again at each resume.
        """
        if self._connection.state is not State.OPEN:
            return
        if self._still_unread() > self._max_buffer_bytes:
            self.end("buffer full")
            return
        broadcast((self._connection,), frame)
        self._unread = self.unread_bytes
        self._metrics.frames_out.inc()

    def cut(self, reason: str) -> None:
        """End the connection at once: a client that does not read would not see a close frame."""
        transport = self._connection.transport
        if transport.is_closing():
            return
        if self._goodbye is None:
            self._metrics.cut.labels(reason=reason).inc()
        log.info("socket cut", reason=reason, unread_bytes=self.unread_bytes)
        transport.abort()

    def end(self, reason: str) -> None:
        """Say 1013, "try again later", behind what is unread; who does not read cannot be told."""
        if self._goodbye is not None or self._stuck_since is not None:
            self.cut(reason)
        elif self._connection.state is State.OPEN:
            now_s = self._connection.loop.time()
            self._goodbye = reason, now_s + GOODBYE_LIMIT_S
            self._note_end(reason)
            self._connection.protocol.send_close(CloseCode.TRY_AGAIN_LATER, reason)
            self._connection.send_data()

    async def close(self, code: int, reason: str) -> None:
        """Say why, and close; who does not answer is cut off by websockets' own limit."""
        self._note_end(reason)
        await self._connection.close(code, reason)

    def _note_end(self, reason: str) -> None:
        self._metrics.cut.labels(reason=reason).inc()
        log.info("socket closed", reason=reason, unread_bytes=self.unread_bytes)

    def excuse(self, stood_s: float) -> None:
        """So long nobody could hear the client or see it read: that is not held against it."""
        self.last_heard_at += stood_s
        if self._stuck_since is not None:
            self._stuck_since += stood_s

    async def look(self, now_s: float, patience: Patience = USUAL) -> None:
        """The regular look: cut who hangs, ping who has been silent."""
        if self._goodbye is not None:
            reason, until_s = self._goodbye
            if now_s >= until_s:
                self.cut(reason)
            return
        if self._still_unread() == 0:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now_s
        elif now_s - self._stuck_since >= patience.stuck_s:
            self.cut("not reading")
            return
        silent_s = now_s - self.last_heard_at
        if silent_s >= patience.silence_s:
            self.cut("silent")
        elif min(silent_s, now_s - self._pinged_at) >= patience.ping_after_s:
            await self._ping(now_s)

    async def _ping(self, now_s: float) -> None:
        # With an empty buffer a ping does not wait, as websockets' own would behind a full one.
        if self._stuck_since is not None:
            return
        self._pinged_at = now_s
        with contextlib.suppress(ConnectionClosed):
            pong = await self._connection.ping()
            asyncio.ensure_future(pong).add_done_callback(self._ponged)

    def _ponged(self, pong: asyncio.Future[float]) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self.last_heard_at = pong.get_loop().time()

    def _still_unread(self) -> int:
        """Bytes in the buffer. Fewer than before: the client reads, if slowly, and is not stuck."""
        before, self._unread = self._unread, self.unread_bytes
        if self._unread < before:
            self._stuck_since = None
        return self._unread


def relieve(sockets: Iterable[Socket], most_bytes: int) -> None:
    """Where all buffers together hold too much, those with the most unread go."""
    unread = [(one.unread_bytes, one) for one in sockets]
    total = sum(size for size, _one in unread)
    for size, one in sorted(unread, key=lambda pair: -pair[0]):
        if total <= most_bytes:
            break
        total -= size
        one.end("memory")
