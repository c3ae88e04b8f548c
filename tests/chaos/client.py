"""A client as a good one is: it keeps its cursor, comes back by itself, and notes all that it sees.

It speaks the realtime protocol on a plain WebSocket, goes on to the next door when one fails, and
reads all of its user's rows anew when it is told that its cursor is lost. `patience_s`: how long it
believes in a line on which not even a ping is answered.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from uuid import UUID

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from db.backoff import Backoff
from tests.chaos.record import (
    Changed,
    Connected,
    Ended,
    Failed,
    Joined,
    ReadAnew,
    Record,
    Resynced,
    Row,
    Rows,
)  # fmt: skip
from tests.gateway_process import token

PATH = "/realtime/v1/websocket?vsn=2.0.0"
TOPIC = "realtime:chaos"
OPEN_LIMIT_S = 10  # a gateway makes those wait for 5 who come again and again
JOIN_LIMIT_S = 10
LINE_FAILED = (
    OSError, TimeoutError, InvalidHandshake, InvalidMessage, ConnectionClosed, httpx.HTTPError,
)  # fmt: skip

Reading = Callable[[UUID], Awaitable[tuple[int, Rows]]]
Frame = tuple[str | None, str | None, str, str, dict[str, object]]


@dataclass(frozen=True)
class Door:
    """Where a gateway is reached: its name in the records, and its address."""

    gateway: str
    url: str


@dataclass(frozen=True)
class Manners:
    """How a client behaves. `since` None: only what comes from now on."""

    since: int | None = 0
    table: str = "*"
    ping_s: float = 1.0
    patience_s: float = 5.0
    back_s: tuple[float, float] = (0.05, 1.0)


USUAL = Manners()


class Client:
    """One client of a user's. `record` is what it saw so far; `doors` may be changed under it."""

    def __init__(
        self, name: str, user: UUID, doors: Sequence[Door], read_anew: Reading,
        manners: Manners = USUAL, rng: random.Random | None = None,
    ) -> None:  # fmt: skip
        self.record = Record(name, user, manners.table, manners.since)
        self.doors = list(doors)
        self.token = token(user)
        self._read_anew = read_anew
        self._manners = manners
        self._backoff = Backoff(*manners.back_s, rng)
        self._tries = 0
        self._leaving = False
        self._socket: ClientConnection | None = None

    async def run(self) -> None:
        """Follow until cancelled, over as many sockets as it takes."""
        while True:
            door = self.doors[self._tries % len(self.doors)]
            try:
                await self._follow(door)
            except LINE_FAILED as error:
                self._ended(door, error)
                self._tries += 1
            await asyncio.sleep(self._backoff.next_s())

    async def come_back(self) -> None:
        """Close the socket as a client does, and come back at once."""
        if self._socket is not None:
            self._leaving = True
            await self._socket.close()

    def vanish(self) -> None:
        """Cut the socket without a word, and come back."""
        if self._socket is not None:
            self._leaving = True
            self._socket.transport.abort()

    @contextmanager
    def not_reading(self) -> Iterator[None]:
        """Read nothing from the socket for the length of a block."""
        socket = self._socket
        if socket is not None:
            socket.transport.pause_reading()
        yield
        if socket is not None and socket is self._socket:
            socket.transport.resume_reading()

    async def _follow(self, door: Door) -> None:
        url = f"{door.url.replace('http', 'ws', 1)}{PATH}&apikey={self.token}"
        async with _socket(url, self._manners) as socket:
            self._socket, self._leaving = socket, False
            self.record.note(Connected(now_s(), door.gateway))
            await self._listen(socket, door)

    async def _listen(self, socket: ClientConnection, door: Door) -> None:
        await self._join(socket)
        waits_until_s: float | None = now_s() + JOIN_LIMIT_S
        while True:
            async with asyncio.timeout(waits_until_s and max(waits_until_s - now_s(), 0)):
                text = await socket.recv()
            _join, _ref, _topic, event, payload = cast(Frame, _parsed(text))
            match event:
                case "postgres_changes":
                    self.record.note(_changed(payload))
                case "system":
                    waits_until_s = None
                    await self._system(payload)
                case "phx_reply" if payload["status"] == "error":
                    self.record.note(Failed(now_s(), door.gateway, _reason(payload)))
                    await self._again(socket)
                    waits_until_s = now_s() + JOIN_LIMIT_S
                case "phx_error":
                    self.record.note(Failed(now_s(), door.gateway, str(payload.get("reason"))))
                    await self._again(socket)
                    waits_until_s = now_s() + JOIN_LIMIT_S

    async def _again(self, socket: ClientConnection) -> None:
        await asyncio.sleep(self._backoff.next_s())
        await self._join(socket)

    async def _join(self, socket: ClientConnection) -> None:
        binding: dict[str, object] = {"event": "*", "schema": "public", "table": self.record.table}
        self._asked = self.record.since
        if self._asked is not None:
            binding |= {"since": self._asked, "epoch": self.record.epoch}
        config = {"postgres_changes": [binding]}
        payload = {"config": config, "access_token": self.token}
        await socket.send(json.dumps(["1", "1", TOPIC, "phx_join", payload]))

    async def _system(self, said: dict[str, object]) -> None:
        feed_seq, epoch = int(str(said["feed_seq"])), str(said["epoch"])
        if said["extension"] == "resync":
            self.record.note(Resynced(now_s(), str(said["message"]), feed_seq, epoch))
            self.record.note(ReadAnew(now_s(), *await self._read_anew(self.record.user)))
        else:
            self.record.note(Joined(now_s(), self._asked, feed_seq, epoch))
            self._backoff.reset()

    def _ended(self, door: Door, error: Exception) -> None:
        socket, self._socket = self._socket, None
        if socket is None:
            self.record.note(Failed(now_s(), door.gateway, f"{type(error).__name__}: {error}"))
            return
        code, reason, ours = _how(socket, error)
        self.record.note(Ended(now_s(), door.gateway, code, reason, ours or self._leaving))
        self._leaving = False


def _how(socket: ClientConnection, error: Exception) -> tuple[int | None, str, bool]:
    """The gateway's code and reason, and whether it was we who gave up."""
    if isinstance(error, TimeoutError):
        return None, "the join was not answered", True
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return error.rcvd.code, error.rcvd.reason, False
    if isinstance(error, ConnectionClosed) and error.sent is not None:
        return None, error.sent.reason, True  # a ping that nobody answered, or our own close
    return None, str(error) or type(error).__name__, False


@asynccontextmanager
async def _socket(url: str, manners: Manners) -> AsyncIterator[ClientConnection]:
    async with connect(
        url, compression=None, proxy=None, max_size=None, open_timeout=OPEN_LIMIT_S,
        ping_interval=manners.ping_s, ping_timeout=manners.patience_s, close_timeout=1,
    ) as socket:  # fmt: skip
        yield socket


def _changed(payload: dict[str, object]) -> Changed:
    data = cast(dict[str, object], payload["data"])
    row = dict(cast(Row, data["old_record"] if data["type"] == "DELETE" else data["record"]))
    seq, prev = int(str(row.pop("feed_seq"))), int(str(row.pop("feed_prev")))
    old = cast(Row, data["old_record"]) if data["type"] == "UPDATE" else None
    return Changed(now_s(), seq, prev, str(data["type"]), str(data["table"]), row, old)


def _reason(payload: dict[str, object]) -> str:
    response = payload["response"]
    return str(response.get("reason")) if isinstance(response, dict) else str(response)


def _parsed(text: str | bytes) -> object:
    """JSON with exact numbers: what Postgres wrote, and nothing that a float would make of it."""
    return json.loads(text, parse_float=Decimal)


def now_s() -> float:
    """The clock of all records."""
    return time.monotonic()
