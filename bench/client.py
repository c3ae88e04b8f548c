"""A socket of the benchmark's that costs next to nothing, for clients that come and go."""

import asyncio
import contextlib
import time
from typing import cast

from bench import wire
from bench.speech import PATH

SOCKETS_PER_ADDRESS = 4000  # far below the ports that one source address has


class Client(asyncio.Protocol):
    """One connection. `heard` gets each text frame and when it came; `ended` its end."""

    def __init__(self, key: str, greeting: bytes) -> None:
        self._path = f"{PATH}&apikey={key}"
        self._greeting = greeting
        self._frames = wire.Frames()
        self._head = b""
        self.upgraded = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        host = "{}:{}".format(*transport.get_extra_info("peername"))
        self.transport.write(wire.upgrade_request(host, self._path))
        self.say(self._greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended()

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        if not self.upgraded:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            if not end:
                self._head = head
                return
            self.upgraded = b" 101 " in head.partition(b"\r\n")[0]
            if not self.upgraded:
                self.drop()
                return
        for opcode, payload in self._frames.feed(data):
            if opcode == wire.PING:
                self._write(wire.frame(wire.PONG, payload))
            elif opcode == wire.CLOSE:
                self.drop()
            elif opcode == wire.TEXT:
                self.heard(payload, now_ns)

    def say(self, text: bytes) -> None:
        """Send a text frame."""
        self._write(wire.frame(wire.TEXT, text))

    def farewell(self) -> None:
        """Close as a well-behaved client does."""
        self._write(wire.frame(wire.CLOSE, (1000).to_bytes(2)))

    def drop(self) -> None:
        """Vanish."""
        if self.transport is not None:
            self.transport.abort()

    def heard(self, text: bytes, now_ns: int) -> None:
        """For who is interested."""

    def ended(self) -> None:
        """For who is interested."""

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)


async def connect(client: Client, host: str, port: int, number: int, timeout_s: float) -> bool:
    """Connect the `number`th client, from one of several addresses; whether that worked."""
    source = (f"127.0.0.{2 + number // SOCKETS_PER_ADDRESS}", 0)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(timeout_s):
            await loop.create_connection(lambda: client, host, port, local_addr=source)
            return True
    return False
