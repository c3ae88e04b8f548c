"""What the routes are made of, put together once in `__main__`.

Also how a request waits for a fact: it registers, reads, sleeps, and lets go when its caller does.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from starlette.requests import Request

from process.settings import Settings
from service.allowances import Allowances
from service.answers import Resources
from service.callers import Callers
from service.database import Database
from service.limits import Slots
from service.waiting import Doorbell, settled, while_there
from service.writes import Writes

T = TypeVar("T")


@dataclass(frozen=True)
class Parts:
    """`clock` gives the aware time of now, `slots` places to wait, `streams` places to listen."""

    settings: Settings
    database: Database
    callers: Callers
    allowances: Allowances
    doorbell: Doorbell
    slots: Slots
    streams: Slots
    resources: Resources
    writes: Writes
    clock: Callable[[], datetime]

    async def settled(
        self,
        request: Request,
        names: list[str],
        read: Callable[[], Awaitable[T]],
        is_settled: Callable[[T], bool],
        wait_s: float,
    ) -> T:
        """What `read` gives once it is settled, the wait over, or the caller gone."""
        with self.doorbell.listening(*names) as ear:
            if wait_s <= 0:
                return await settled(ear, read, is_settled, 0)
            async with while_there(request.receive, ear):
                return await settled(ear, read, is_settled, wait_s)

    async def settled_write(
        self,
        request: Request,
        user_id: UUID,
        names: list[str],
        read: Callable[[], Awaitable[T]],
        is_settled: Callable[[T], bool],
        wait_s: float,
    ) -> T:
        """The same after a write, which stands whatever comes: without a free slot, no wait."""
        if wait_s <= 0 or not self.slots.free(user_id):
            return await self.settled(request, names, read, is_settled, 0)
        with self.slots.take(user_id):
            return await self.settled(request, names, read, is_settled, wait_s)
