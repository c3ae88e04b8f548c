"""A line to Postgres that knows what it carries: it can lose rings and let all else pass."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from db.hearing import CANARY
from tests.proxy import Dial

NOTIFICATION = b"A"  # NotificationResponse: process id, channel, payload


class Ringless:
    """While `losing`, no ring comes through; canaries and answers do. `lost` counts them."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self.port = 0
        self.losing = False
        self.lost = 0

    async def carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One accepted connection, to its end."""
        far_reader, far_writer = await self._dial()
        try:
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(_asked(reader, far_writer))
                both_ways.create_task(self._answered(far_reader, writer))
        finally:
            for end in (writer, far_writer):
                end.transport.abort()

    async def _answered(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while True:
                kind, size = await reader.readexactly(1), await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(size) - 4)
                if self.losing and kind == NOTIFICATION and _is_ring(body):
                    self.lost += 1
                else:
                    writer.write(kind + size + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def _asked(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except ConnectionError:
        pass
    writer.close()


def _is_ring(body: bytes) -> bool:
    _channel, payload, _end = body[4:].split(b"\0")
    return not payload.startswith(CANARY.encode())


@asynccontextmanager
async def ringless(dial: Dial) -> AsyncIterator[Ringless]:
    """Such a line for the length of a block; it speaks no TLS."""
    one = Ringless(dial)
    async with await asyncio.start_server(one.carry, "127.0.0.1", 0) as server:
        one.port = server.sockets[0].getsockname()[1]
        yield one
