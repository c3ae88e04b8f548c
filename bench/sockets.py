"""The load generator: a process that holds thousands of sockets and notes when each change arrives.

`python -m bench.sockets gateway|bare HOST PORT SECRET` obeys bench/messages.py on its stdin. A
`gateway` socket does what a Supabase client does: join, filter on its user, heartbeat every 25 s.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import cast
from uuid import UUID

import uvloop

from bench import wire
from bench.client import SOCKETS_PER_ADDRESS
from bench.messages import Arrivals, Collect, Open, Opened, user_id
from bench.obey import obey
from bench.speech import Refused, Speech, bare, gateway

JOINING_AT_ONCE = 100
TOKEN_TTL_S = 86_400
HEARTBEAT_S = 25
JOIN_TIMEOUT_S = 30


class Arrived:
    """What has come in since the last collection."""

    def __init__(self) -> None:
        self.marks: list[int] = []
        self.times_ns: list[int] = []
        self.died = 0
        self.changed = asyncio.Event()

    def note(self, mark: int, at_ns: int) -> None:
        self.marks.append(mark)
        self.times_ns.append(at_ns)
        self.changed.set()

    async def wait_for(self, expected: int, timeout_s: float) -> None:
        """Until `expected` have come, or the time is up."""
        deadline = time.monotonic() + timeout_s
        while len(self.marks) < expected and time.monotonic() < deadline:
            self.changed.clear()
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + 0.5):
                    await self.changed.wait()
            except TimeoutError:
                continue

    def take(self) -> Arrivals:
        taken = Arrivals(self.marks, self.times_ns, self.died)
        self.marks, self.times_ns = [], []
        return taken


class Socket(asyncio.Protocol):
    """One client. `joined` is done when the server has said that it listens for this user."""

    __slots__ = ("_arrived", "_frames", "_speech", "_upgraded", "_user", "joined", "transport")

    def __init__(self, speech: Speech, user: UUID, arrived: Arrived) -> None:
        self._speech = speech
        self._user = user
        self._arrived = arrived
        self._frames = wire.Frames()
        self._upgraded = False
        self.joined = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        host = "{}:{}".format(*transport.get_extra_info("peername"))
        self.transport.write(wire.upgrade_request(host, self._speech.path))
        self.send(self._speech.greeting(str(self._user), datetime.now(UTC)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived.died += 1
        self._fail(f"the server closed the connection: {exc}")

    def send(self, text: bytes) -> None:
        self.transport.write(wire.frame(wire.TEXT, text))

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        if not self._upgraded:
            head, _, data = data.partition(b"\r\n\r\n")
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self._fail(f"no upgrade: {head!r}")
                return
            self._upgraded = True
        for opcode, payload in self._frames.feed(data):
            self._heard(opcode, payload, now_ns)

    def _heard(self, opcode: int, payload: bytes, now_ns: int) -> None:
        if opcode == wire.PING:
            self.transport.write(wire.frame(wire.PONG, payload))
        elif opcode == wire.TEXT:
            mark = self._speech.mark(payload)
            if mark is not None:
                self._arrived.note(mark, now_ns)
            elif not self.joined.done():
                self._answered(payload)

    def _answered(self, text: bytes) -> None:
        try:
            if self._speech.joined(text):
                self.joined.set_result(None)
        except Refused as refused:
            self._fail(f"the join was refused: {refused}")

    def _fail(self, why: str) -> None:
        if not self.joined.done():
            self.joined.set_exception(ConnectionError(why))


class Crowd:
    """All sockets of this process."""

    def __init__(self, speech: Speech, host: str, port: int) -> None:
        self._speech = speech
        self._address = (host, port)
        self._places = asyncio.Semaphore(JOINING_AT_ONCE)
        self._sockets: list[Socket] = []
        self.arrived = Arrived()

    async def open(self, first: int, count: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(first, first + count):
                tasks.create_task(self._open_one(number))

    async def _open_one(self, number: int) -> None:
        source = (f"127.0.0.{2 + number // SOCKETS_PER_ADDRESS}", 0)
        loop = asyncio.get_running_loop()
        async with self._places, asyncio.timeout(JOIN_TIMEOUT_S):
            _, socket = await loop.create_connection(
                lambda: Socket(self._speech, user_id(number), self.arrived),
                *self._address,
                local_addr=source,
            )
            await socket.joined
        self._sockets.append(socket)

    async def heartbeats(self) -> None:
        """Each socket's heartbeat every 25 s, spread evenly over them."""
        if self._speech.heartbeat is None:
            return
        turn = 0
        while True:
            await asyncio.sleep(0.1)
            turn = (turn + 1) % (HEARTBEAT_S * 10)
            for socket in self._sockets[turn :: HEARTBEAT_S * 10]:
                socket.send(self._speech.heartbeat)


async def answer(crowd: Crowd, command: Open | Collect) -> Opened | Arrivals:
    """What a command asks for."""
    if isinstance(command, Open):
        began = time.monotonic()
        await crowd.open(command.first, command.count)
        return Opened(time.monotonic() - began)
    await crowd.arrived.wait_for(command.expected, command.timeout_s)
    return crowd.arrived.take()


async def main(mode: str, host: str, port: str, secret: str) -> None:
    speeches: dict[str, Callable[[str, int], Speech]] = {"gateway": gateway, "bare": bare}
    crowd = Crowd(speeches[mode](secret, TOKEN_TTL_S), host, int(port))
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(crowd.heartbeats())
        await obey(Open | Collect, partial(answer, crowd))
        beating.cancel()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
