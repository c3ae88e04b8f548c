"""A thousand sockets of one user that cost next to nothing: bytes in, what they were told out.

`members` write down what each of them was told. The checker is for those who keep a cursor; of
these a test asks only how many were served, and that they were served alike.
"""

import asyncio
import json
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from bench import wire as rfc6455
from tests.floods import UPGRADE
from tests.gateway_process import GatewayProcess, token

READ_BYTES = 65_536
NUMBERS = re.compile(rb'"feed_seq":(\d+),"feed_prev":(\d+)')
REASON = re.compile(rb'"reason":"([^"]*)"')


@dataclass
class Member:
    """One socket. `numbers` are the changes that it was sent; `refused` is why it has no place."""

    reader: StreamReader
    writer: StreamWriter
    join: bytes
    joined: bool = False
    refused: str | None = None
    numbers: list[int] = field(default_factory=list)
    frames: rfc6455.Frames = field(default_factory=rfc6455.Frames)

    def ask(self) -> None:
        """Join, or try again."""
        self.refused = None
        self.writer.write(self.join)

    def leave(self) -> None:
        """Be gone."""
        self.writer.transport.abort()

    async def run(self) -> None:
        """Write down what comes, until nothing more does."""
        while data := await self.reader.read(READ_BYTES):
            for _opcode, payload in self.frames.feed(data):
                self._take(payload)

    def _take(self, payload: bytes) -> None:
        if b'"system"' in payload:
            self.joined = True
        elif b'"status":"error"' in payload:
            found = REASON.search(payload)
            self.refused = found[1].decode() if found else ""
        elif (numbers := NUMBERS.search(payload)) is not None:
            seq, prev = map(int, numbers.groups())
            assert prev == (self.numbers[-1] if self.numbers else 0), f"{seq} follows {prev}"
            self.numbers.append(seq)


@asynccontextmanager
async def crowd(gateway: GatewayProcess, user: UUID, count: int) -> AsyncIterator[list[Member]]:
    """So many sockets of the user's, each of which has asked for all of the feed."""
    binding = {"event": "*", "schema": "public", "table": "*", "since": 0}
    payload = {"access_token": token(user), "config": {"postgres_changes": [binding]}}
    text = json.dumps(["1", "1", "realtime:crowd", "phx_join", payload])
    join = rfc6455.frame(rfc6455.TEXT, text.encode())
    async with asyncio.TaskGroup() as tasks:
        members = [await _member(gateway, join) for _ in range(count)]
        running = [tasks.create_task(member.run()) for member in members]
        for member in members:
            member.ask()
        try:
            yield members
        finally:
            for task in running:
                task.cancel()
            for member in members:
                member.leave()


async def _member(gateway: GatewayProcess, join: bytes) -> Member:
    reader, writer = await asyncio.open_connection(gateway.address.host, gateway.address.port)
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    return Member(reader, writer, join)
