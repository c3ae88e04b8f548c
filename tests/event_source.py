"""A reader of Server-Sent Events for tests: fields of each event, comments and blocks apart.

Follows the HTML standard, section 9.2.6, as far as the service uses it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

LIMIT_S = 20


@dataclass(frozen=True)
class Event:
    """One event. `id` is the last one that the stream has said."""

    name: str
    id: str
    data: Any


@dataclass
class EventReader:
    """Reads one answer; `heartbeats` counts comments."""

    answer: httpx.Response
    parse: Callable[[str], Any] = json.loads
    last_id: str = ""
    retry_ms: int = 0
    heartbeats: int = 0
    _lines: AsyncIterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self.answer.aiter_lines()

    async def next(self, limit_s: float = LIMIT_S) -> Event:
        """The next event."""
        event = await self.next_or_end(limit_s)
        assert event is not None, "the stream has ended"
        return event

    async def take(self, count: int) -> list[Event]:
        """So many events."""
        return [await self.next() for _ in range(count)]

    async def next_or_end(self, limit_s: float = LIMIT_S) -> Event | None:
        """The next event, None where the stream ends."""
        async with asyncio.timeout(limit_s):
            return await self._event()

    async def opened(self) -> None:
        """Return once the stream has said where it begins."""
        async with asyncio.timeout(LIMIT_S):
            while await anext(self._lines):
                pass

    async def _event(self) -> Event | None:
        name, data = "", None
        async for line in self._lines:
            what, _, value = line.partition(": ")
            match what:
                case "" if line and value:
                    self.heartbeats += 1
                case "" if data is not None:
                    return Event(name, self.last_id, self.parse(data))
                case "event":
                    name = value
                case "data":
                    data = value
                case "id":
                    self.last_id = value
                case "retry":
                    self.retry_ms = int(value)
        return None


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, query: str = "", last_event_id: int | None = None
) -> AsyncIterator[EventReader]:
    """The stream that `client` may read, open from the first line of the block to its last."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    async with client.stream("GET", f"/v1/events{query}", headers=headers) as answer:
        if answer.status_code != httpx.codes.OK:
            await answer.aread()
            raise AssertionError(answer.text)
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield EventReader(answer)
