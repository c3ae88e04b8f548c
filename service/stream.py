"""One reader's stream of the feed: everything after its cursor, in order, for as long as it may.

Promised to the reader: never a part of what was asked (a cursor that is lost is a `resync` event);
a word each 15 s; the end when its token ends. Promised to everybody else: a reader that takes
nothing for 10 s is cut off. An outage of the database is waited out, because an EventSource that
is refused once never comes back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from db.errors import SonnetteError
from service import event_text
from service.payloads import Resync, StreamEnd
from service.problems import Problem
from service.reader import Cursor, FeedPage
from service.rows import Position
from service.waiting import Ear

CHANGES_AT_ONCE = 100


class Reads(Protocol):
    """What a stream needs of a Reader."""

    async def position(self, user_id: UUID) -> Position:
        """How far the user's feed is."""

    async def page(self, cursor: Cursor) -> FeedPage:
        """What follows the cursor."""


@dataclass(frozen=True)
class Pace:
    """`tick_s` is how often token and feed are looked at without a ring."""

    heartbeat_s: float = 15.0
    tick_s: float = 3.0
    send_limit_s: float = 10.0


class TooSlow(Exception):
    """The reader takes nothing any more."""


class Outlet:
    """Where the text goes; TooSlow where it does not go within `limit_s`."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], limit_s: float) -> None:
        self._send = send
        self._limit_s = limit_s
        self.last_at = 0.0

    async def write(self, text: bytes) -> None:
        """Hand on this much."""
        try:
            async with asyncio.timeout(self._limit_s):
                await self._send(text)
        except TimeoutError:
            raise TooSlow from None
        self.last_at = asyncio.get_running_loop().time()


@dataclass(frozen=True)
class Permit:
    """What allows a reader to read: `check` gives the token's end, or raises why it is refused."""

    user_id: UUID
    check: Callable[[], Awaitable[datetime]]
    clock: Callable[[], datetime]


class Stream:
    """From a cursor (None: from now on) to the end of the permit or of the ear."""

    def __init__(
        self, reader: Reads, permit: Permit, after: int | None, epoch: str | None, pace: Pace
    ) -> None:
        self._reader = reader
        self._permit = permit
        self._after = after
        self._epoch = epoch
        self._pace = pace

    async def run(self, ear: Ear, outlet: Outlet) -> None:
        """Write until there is no reason to go on."""
        if self._after is not None:
            await outlet.write(event_text.opening(self._permit.user_id.int, None))
        while not ear.closed:
            try:
                ends_at = await self._permit.check()
                more = await self._deliver(outlet)
            except Problem as problem:
                if problem.code == "token_refused":
                    await outlet.write(event_text.end(StreamEnd(problem.code, str(problem))))
                    return
                ends_at, more = None, False
            except SonnetteError:
                ends_at, more = None, False
            if not more:
                await self._rest(ear, outlet, ends_at)

    async def _deliver(self, outlet: Outlet) -> bool:
        """Write what there is, as far as one read has it; whether there is more."""
        if self._after is None:
            await self._begin(outlet)
            return True
        cursor = Cursor(self._permit.user_id, self._after, self._epoch, CHANGES_AT_ONCE)
        page = await self._reader.page(cursor)
        if text := _text(page):
            await outlet.write(text)
        self._after, self._epoch = page.feed_seq, page.epoch
        return page.more

    async def _begin(self, outlet: Outlet) -> None:
        position = await self._reader.position(self._permit.user_id)
        await outlet.write(event_text.opening(self._permit.user_id.int, position.feed_seq))
        self._after = position.feed_seq
        if self._epoch is None:
            self._epoch = position.epoch

    async def _rest(self, ear: Ear, outlet: Outlet, ends_at: datetime | None) -> None:
        """Until something rings, the token ends or it is time to look anyway."""
        now = asyncio.get_running_loop().time()
        rest_s = self._pace.tick_s
        if ends_at is not None:
            left_s = (ends_at - self._permit.clock()).total_seconds()
            rest_s = max(0.0, min(rest_s, left_s))
        if await ear.heard(now + rest_s) or ear.closed:
            return
        if outlet.last_at + self._pace.heartbeat_s <= asyncio.get_running_loop().time():
            await outlet.write(event_text.HEARTBEAT)


def _text(page: FeedPage) -> bytes:
    if page.lost is not None:
        lost = Resync(message=page.lost, feed_seq=page.last_seq, epoch=page.epoch)
        return event_text.resync(lost)
    return b"".join(map(event_text.change, page.changes))
