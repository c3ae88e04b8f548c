"""A connection of websockets' behind a door: what a client sends is let in at a rate.

Whoever sends faster is not refused but read later, and the line to them fills up. So a flood of
pings, junk, joins or huge frames costs its own sender time, and each turn of the loop a bounded
piece of work. Connections that never ask for anything are kept until newer ones need the room.
"""

from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from gateway.handshake import Handshake
from process.rates import Rate

SLICE_BYTES = 1024  # 170 of the smallest frames, some milliseconds of work
UNIT_BYTES = 4096  # a large frame counts as several
MAX_OPENING = 4096  # as many as the system's own queue
OPENING_S = 2  # by then an honest client has sent its request, whatever the crowd


class Door:
    """What the connections of one server share. Times are of the loop's clock.

    `most`: connections that there are files for; `max_opening`: those that have asked for nothing.
    `slowed` is told of each wait, `cut` of a connection that is given up, with the reason.
    """

    def __init__(
        self,
        rate: Rate,
        most: int,
        slowed: Callable[[], None],
        cut: Callable[[str], None],
        max_opening: int = MAX_OPENING,
        opening_s: float = OPENING_S,
    ) -> None:
        self.rate = rate
        self.slowed = slowed
        self._most = most
        self._cut = cut
        self._max_opening = max_opening
        self._opening_s = opening_s
        self._opening: dict[Connection, float] = {}  # in the order in which they came

    def connect(self, protocol: ServerProtocol, server: Server, **options: Any) -> "Connection":
        """The factory that websockets calls."""
        return Connection(self, protocol, server, **options)

    def came(self, connection: "Connection", others: int, now_s: float) -> None:
        """A connection without a request yet: who brings none in time makes room for others."""
        if others >= self._most:
            self._give_up(connection, "no room")
            return
        self._opening[connection] = now_s
        if len(self._opening) > self._max_opening:
            oldest, since_s = next(iter(self._opening.items()))
            if now_s - since_s >= self._opening_s:
                self._give_up(oldest, "half open")

    def asked(self, connection: "Connection") -> None:
        """It has sent its request, or is gone."""
        self._opening.pop(connection, None)

    @property
    def opening(self) -> int:
        """How many have not yet asked for anything."""
        return len(self._opening)

    def _give_up(self, connection: "Connection", why: str) -> None:
        self._opening.pop(connection, None)
        self._cut(why)
        connection.transport.abort()


class Connection(ServerConnection):
    """`on_drained` is called when a client has read enough of what `paused` it.

    `said` is what its handshake said, until the socket is served.
    """

    # Beyond 30 attributes an instance's dictionary shares its keys no more: 1.2 KiB a socket.
    __slots__ = ("_door", "_frames", "_full_at", "_outside", "_waits", "on_drained", "said")

    def __init__(
        self, door: Door, protocol: ServerProtocol, server: Server, **options: Any
    ) -> None:
        super().__init__(protocol, server, **options)
        self._door = door
        self._outside: bytes = b""  # received, and not yet let in
        self._waits = False
        self._frames = 0
        self._full_at = 0.0
        self.said: Handshake | None = None
        self.on_drained: Callable[[], None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Part of asyncio.Protocol, as are those that follow."""
        super().connection_made(transport)
        self._door.came(self, len(self.server.handlers) - 1, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing of what waits outside matters any more."""
        self._outside = b""
        self._door.asked(self)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """The same; a client that floods and leaves is not waited for."""
        self._outside = b""
        super().eof_received()

    def data_received(self, data: bytes) -> None:
        """Let it in at once, or as soon as the rate allows."""
        self._outside += data
        if not self._waits:
            self._let_in()
        elif not self.transport.is_closing():
            self.transport.pause_reading()  # websockets has resumed it, for reasons of its own

    def process_event(self, event: Any) -> None:
        """Count what is let in."""
        if isinstance(event, Frame):
            self._frames += 1
        elif isinstance(event, Request):
            self._door.asked(self)
        super().process_event(event)

    def resume_writing(self) -> None:
        """The client has read most of what was written."""
        super().resume_writing()
        if self.on_drained is not None:
            self.on_drained()

    def _let_in(self) -> None:
        """One slice of what is outside, and when the next."""
        waited, self._waits = self._waits, False
        if self.transport.is_closing():
            return
        part, self._outside = self._outside[:SLICE_BYTES], self._outside[SLICE_BYTES:]
        if part:
            super().data_received(part)
        wait_s = self._paid(len(part))
        if wait_s or self._outside:
            self._wait(wait_s)
        elif waited and not self.recv_messages.paused:
            self.transport.resume_reading()

    def _paid(self, size_bytes: int) -> float:
        now_s, rate = self.loop.time(), self._door.rate
        amount, self._frames = self._frames + size_bytes / UNIT_BYTES, 0
        self._full_at = rate.spent(self._full_at, now_s, amount)
        return rate.lacking_s(self._full_at, now_s)

    def _wait(self, wait_s: float) -> None:
        self._waits = True
        if self.transport.is_closing():
            return
        self.transport.pause_reading()
        if wait_s:
            self._door.slowed()
            self.loop.call_later(wait_s, self._let_in)
        else:
            self.loop.call_soon(self._let_in)
