"""A TCP proxy that does to a line what networks do: cut, reset, delay, black hole.

It stands between a client and the gateway, or between the gateway and its Postgres. What it does is
done to every connection that there is, and where it lasts, also to those that come.
"""

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 65_536
END_LIMIT_S = 10
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST

Dial = Callable[[], Awaitable[tuple[StreamReader, StreamWriter]]]


class Proxy:
    """One listening port. `accepted` counts the connections so far; `delay_s` is one way's."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._passing = asyncio.Event()
        self._passing.set()
        self._open: set[StreamWriter] = set()
        self._far: set[StreamWriter] = set()
        self._refusing = False
        self._carrying = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.delay_s = 0.0
        self.accepted = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Where a client of the gateway finds it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._open) // 2

    def lead_to(self, dial: Dial) -> None:
        """Connections that come from now on are to another far side."""
        self._dial = dial

    def black_hole(self) -> None:
        """Carry nothing any more, and close nothing; new connections are accepted into it."""
        self._passing.clear()

    def heal(self) -> None:
        """Carry again what comes, and what has waited."""
        self._passing.set()

    def say(self, data: bytes) -> None:
        """Send this to the far side of every connection, as if its client had."""
        for writer in self._far:
            writer.write(data)

    def cut(self) -> None:
        """End every connection in order, as a proxy that restarts does."""
        for writer in list(self._open):
            writer.close()

    def reset(self) -> None:
        """End every connection by RST, as a router that has forgotten it does."""
        for writer in list(self._open):
            raw = writer.get_extra_info("socket")
            if raw.fileno() < 0:
                continue  # it has ended by itself, just now
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()

    def refuse(self) -> None:
        """End every connection, and each new one at once."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """Take connections again."""
        self._refusing = False

    async def over(self) -> None:
        """Return once no connection is left; a task of one would else outlive its test."""
        async with asyncio.timeout(END_LIMIT_S):
            await self._idle.wait()

    async def carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One accepted connection, to its end."""
        self.accepted += 1
        self._carrying += 1
        self._idle.clear()
        try:
            await self._carry(reader, writer)
        finally:
            self._carrying -= 1
            if not self._carrying:
                self._idle.set()

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self._dial()
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._open |= ends
        self._far.add(far_writer)
        try:
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._pump(reader, far_writer))
                both_ways.create_task(self._pump(far_reader, writer))
        finally:
            self._open -= ends
            self._far.discard(far_writer)
            for end in ends:
                end.close()

    async def _pump(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        await self._passing.wait()  # in a black hole not even the end of the other side is seen
        writer.close()


@asynccontextmanager
async def proxy(dial: Dial) -> AsyncIterator[Proxy]:
    """A proxy that listens for the length of a block; `dial` connects to the far side."""
    one = Proxy(dial)
    async with await asyncio.start_server(one.carry, "127.0.0.1", 0) as server:
        one.port = server.sockets[0].getsockname()[1]
        try:
            yield one
        finally:
            server.close()
            one.heal()
            one.reset()
            await one.over()


def to_port(port: int) -> Dial:
    """The far side is a port of this machine."""
    return lambda: asyncio.open_connection("127.0.0.1", port)


def to_socket(path: str) -> Dial:
    """The far side is a Unix socket."""
    return lambda: asyncio.open_unix_connection(path)
