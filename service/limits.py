"""Who may occupy how much: long-polls by user and in all, and a user's writes at one time.

A slot is had at once or refused, because a waiting request holds a socket; a turn is waited for,
but not for long, because a write is short.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

from service.problems import Problem, retry_after

MAX_WAITING = 2000
MAX_WAITING_PER_USER = 20


class Slots:
    """Places for requests that wait for something to happen."""

    def __init__(self, total: int = MAX_WAITING, per_user: int = MAX_WAITING_PER_USER) -> None:
        self._total = total
        self._per_user = per_user
        self._taken: Counter[UUID] = Counter()
        self.in_use = 0

    def free(self, user_id: UUID) -> bool:
        """Whether `take` would give a place now."""
        return self._taken[user_id] < self._per_user and self.in_use < self._total

    def check(self, user_id: UUID) -> None:
        """Problem `too_many_waiting` or `unavailable` where no place is left."""
        if self._taken[user_id] >= self._per_user:
            raise Problem(
                "too_many_waiting",
                f"{self._per_user} requests of yours are waiting already",
                headers=retry_after(),
            )
        if self.in_use >= self._total:
            raise Problem("unavailable", "too many requests are waiting", headers=retry_after())

    @contextmanager
    def take(self, user_id: UUID) -> Iterator[None]:
        """Hold a place, or the Problem as `check` has it."""
        self.check(user_id)
        self._move(user_id, 1)
        try:
            yield
        finally:
            self._move(user_id, -1)

    def _move(self, user_id: UUID, by: int) -> None:
        self.in_use += by
        self._taken[user_id] += by
        if not self._taken[user_id]:
            del self._taken[user_id]


class Turns:
    """At most `at_once` of each user's writes run; others stand in line, for `wait_s` at most."""

    def __init__(self, at_once: int, wait_s: float) -> None:
        self._at_once = at_once
        self._wait_s = wait_s
        self._lines: dict[UUID, asyncio.Semaphore] = {}
        self._present: Counter[UUID] = Counter()

    @asynccontextmanager
    async def of(self, user_id: UUID) -> AsyncIterator[None]:
        """Have a turn; Problem `unavailable` where none came."""
        line = self._lines.setdefault(user_id, asyncio.Semaphore(self._at_once))
        self._present[user_id] += 1
        try:
            await self._enter(line)
            try:
                yield
            finally:
                line.release()
        finally:
            self._present[user_id] -= 1
            if not self._present[user_id]:
                del self._present[user_id], self._lines[user_id]

    async def _enter(self, line: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await line.acquire()
        except TimeoutError:
            raise Problem(
                "unavailable", "other requests of yours take long; try again", headers=retry_after()
            ) from None
