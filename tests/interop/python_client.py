"""PyPI `realtime`, unmodified, as a test sees it: everything that its callbacks get, in order."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from realtime import AsyncRealtimeClient, RealtimePostgresChangesListenEvent
from realtime.types import RealtimeSubscribeStates

FACT_LIMIT_S = 20  # it tries again after 1, 2, 5 and 10 s


class Reachable(Protocol):
    """A gateway, or a proxy before it."""

    @property
    def url(self) -> str: ...


@dataclass(frozen=True)
class Status:
    """What the subscribe callback was called with."""

    status: str
    reason: str | None = None


@dataclass(frozen=True)
class Change:
    """What a binding's callback was called with: the `data` of a change."""

    binding: int
    data: dict[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """The row that carries feed_seq and feed_prev."""
        row = self.data.get("record") or self.data["old_record"]
        assert isinstance(row, dict)
        return row


@dataclass(frozen=True)
class System:
    """A system message, as far as this client hands it on."""

    message: str
    extension: str


Fact = Status | Change | System


class PythonClient:
    """One client with one channel. `facts` holds what has not been asked for yet.

    With a `cursor` it resumes: the object is kept as docs/protocol.md has it.
    """

    def __init__(
        self,
        client: AsyncRealtimeClient,
        bindings: Sequence[Mapping[str, Any]],
        cursor: dict[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.facts: asyncio.Queue[Fact] = asyncio.Queue()
        self._cursor = cursor
        replayed: Any = {"config": {"broadcast": {"replay": cursor}}}
        self.channel = client.channel("my-numbers", None if cursor is None else replayed)
        for number, binding in enumerate(bindings):
            self._listen(number, binding)
        self.channel.on_system(
            lambda told: self.facts.put_nowait(System(told.message, told.extension))
        )

    async def subscribe(self) -> None:
        """What a program does first; returns with the answer to the first join."""
        await self.channel.subscribe(self._on_status)

    async def next(self) -> Fact:
        """The next fact, whatever it is."""
        async with asyncio.timeout(FACT_LIMIT_S):
            return await self.facts.get()

    async def next_status(self) -> Status:
        """The next fact, which must be a call of the subscribe callback."""
        fact = await self.next()
        assert isinstance(fact, Status), fact
        return fact

    async def next_change(self) -> Change:
        """The next fact, which must be a change."""
        fact = await self.next()
        assert isinstance(fact, Change), fact
        return fact

    async def until_served(self) -> None:
        """SUBSCRIBED, and the message that says so."""
        assert await self.next_status() == Status("SUBSCRIBED")
        await self._said_to_be_served()

    async def until_served_again(self) -> None:
        """The same after a restart, where it may be refused for a moment first."""
        while (await self.next_status()).status != "SUBSCRIBED":
            pass
        await self._said_to_be_served()

    async def _said_to_be_served(self) -> None:
        assert await self.next() == System("Subscribed to PostgreSQL", "postgres_changes")

    def _listen(self, number: int, binding: Mapping[str, Any]) -> None:
        self.channel.on_postgres_changes(
            RealtimePostgresChangesListenEvent(binding["event"]),
            lambda payload: self._take(Change(number, dict(payload["data"]))),
            schema=binding["schema"],
            table=binding.get("table"),
            filter=binding.get("filter"),
        )

    def _take(self, change: Change) -> None:
        if self._cursor is not None:
            self._cursor["since"] = change.row["feed_seq"]
        self.facts.put_nowait(change)

    def _on_status(self, status: RealtimeSubscribeStates, error: Exception | None) -> None:
        self.facts.put_nowait(Status(status.value, None if error is None else str(error)))


@asynccontextmanager
async def python_client(
    gateway: Reachable,
    token: str,
    *bindings: Mapping[str, Any],
    max_retries: int = 5,
    cursor: dict[str, Any] | None = None,
) -> AsyncIterator[PythonClient]:
    """A client for the length of a block, not yet subscribed."""
    client = AsyncRealtimeClient(f"{gateway.url}/realtime/v1", token, max_retries=max_retries)
    try:
        yield PythonClient(client, bindings, cursor)
    finally:
        await client.close()
