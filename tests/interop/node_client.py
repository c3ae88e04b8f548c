"""A program in Node that uses the published client, as a test sees it: facts out, orders in.

The programs are in tests/interop/node/; each line of their standard output is one fact.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.needs import NODE_CLIENT, find_node

FACT_LIMIT_S = 20  # a refused client tries again after 1, 2, 5 and 10 s
END_LIMIT_S = 10


class Status(msgspec.Struct, tag_field="fact", tag="status", frozen=True):
    """What the subscribe callback was called with."""

    status: str
    reason: str | None = None


class Change(msgspec.Struct, tag_field="fact", tag="change", frozen=True):
    """What a binding's callback was called with."""

    binding: int
    type: str
    new: dict[str, Any]
    old: dict[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """The row that carries feed_seq and feed_prev."""
        return self.new or self.old


class System(msgspec.Struct, tag_field="fact", tag="system", frozen=True):
    """A system message."""

    status: str
    extension: str
    message: str
    channel: str
    feed_seq: int
    epoch: str


class Renewed(msgspec.Struct, tag_field="fact", tag="renewed", frozen=True):
    """The client has taken the newer token, and sent it if it is joined."""


class Left(msgspec.Struct, tag_field="fact", tag="left", frozen=True):
    """The answer to removeChannel()."""

    answer: str


class Pushed(msgspec.Struct, tag_field="fact", tag="pushed", frozen=True):
    """The answer to channel.send()."""

    answer: str


class Toast(msgspec.Struct, tag_field="fact", tag="toast", frozen=True):
    """What the user was shown."""

    title: str
    text: str


class SmsReceived(msgspec.Struct, tag_field="fact", tag="onSmsReceived", frozen=True):
    """The page was told to read its activations again."""

    status: str


class BalanceUpdate(msgspec.Struct, tag_field="fact", tag="onBalanceUpdate", frozen=True):
    """The page was told to read its wallet again."""


Fact = Status | Change | System | Renewed | Left | Pushed | Toast | SmsReceived | BalanceUpdate
F = TypeVar("F", Status, Change, System, Renewed, Left, Pushed, Toast, SmsReceived, BalanceUpdate)

_decode = msgspec.json.Decoder(Fact).decode


class JsClient(ABC):
    """A client in JavaScript. `seen` is every fact so far, in order."""

    def __init__(self) -> None:
        self.seen: list[Fact] = []

    async def next(self) -> Fact:
        """The next fact, whatever it is."""
        async with asyncio.timeout(FACT_LIMIT_S):
            return await self._read()

    async def until(self, kind: type[F]) -> F:
        """The next fact of that kind; those before it are in `seen`."""
        passed = len(self.seen)
        try:
            async with asyncio.timeout(FACT_LIMIT_S):
                while not isinstance(fact := await self._read(), kind):
                    pass
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} came; only {self.seen[passed:]}") from None
        return fact

    async def _read(self) -> Fact:
        fact: Fact = _decode(await self._line())
        self.seen.append(fact)
        return fact

    @abstractmethod
    async def _line(self) -> str | bytes:
        """The next fact as it was told."""

    @abstractmethod
    async def order(self, **order: object) -> None:
        """Tell the client what to do."""

    async def until_status(self, status: str) -> Status:
        """The next call of the subscribe callback, which must be with this status."""
        found = await self.until(Status)
        assert found.status == status, found
        return found

    async def until_served(self) -> System:
        """SUBSCRIBED, and the message that says from where."""
        await self.until_status("SUBSCRIBED")
        return await self.until(System)

    async def until_served_again(self) -> System:
        """The same after a restart, where it may be refused for a moment first."""
        await self.until_subscribed()
        return await self.until(System)

    async def until_subscribed(self) -> None:
        """SUBSCRIBED, whatever was said before."""
        while (await self.until(Status)).status != "SUBSCRIBED":
            pass

    async def renew(self, token: str) -> None:
        """Give it a newer token."""
        await self.order(token=token)
        await self.until(Renewed)

    @property
    def changes(self) -> list[Change]:
        """The changes so far."""
        return [fact for fact in self.seen if isinstance(fact, Change)]

    @property
    def statuses(self) -> list[str]:
        """What the subscribe callback was called with so far."""
        return [fact.status for fact in self.seen if isinstance(fact, Status)]


class NodeClient(JsClient):
    """One running program."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the program ended; its standard error says why"
        return line

    async def order(self, **order: object) -> None:
        """Tell the program what to do."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()


def node_client(program: str, **asked: object) -> AbstractAsyncContextManager[NodeClient]:
    """`program` of tests/interop/node/, running for the length of a block."""
    node = find_node()
    assert node is not None
    return program_on(node, program, asked)


@asynccontextmanager
async def program_on(
    node: Path, program: str, asked: Mapping[str, object]
) -> AsyncIterator[NodeClient]:
    """The same on a Node of one's choice."""
    process = await asyncio.create_subprocess_exec(
        node, program, json.dumps(asked), cwd=NODE_CLIENT, stdin=PIPE, stdout=PIPE
    )
    try:
        yield NodeClient(process)
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(END_LIMIT_S):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
