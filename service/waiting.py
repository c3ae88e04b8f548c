"""Waiting for facts: a request registers what it waits for, reads, and sleeps until that rings.

Registered first, read after: what happens in between has rung. A ring is only a reason to read
again, and the last read comes when the time is up, so a lost ring costs delay and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar
from uuid import UUID

from starlette.types import Receive

T = TypeVar("T")

FEEDS = "sonnette"
WORK = "sonnette_work"
EVERYTHING_PAUSE_S = 1.0  # any role that connects can ring for everybody


def activation(activation_id: UUID) -> str:
    """The name under which a change of this activation's status rings."""
    return f"a:{activation_id}"


def request(request_id: int) -> str:
    """The name under which a request rings when it is done."""
    return f"r:{request_id}"


def feed(user_id: UUID) -> str:
    """The name under which a user's feed rings."""
    return f"u:{user_id}"


def names_in(channel: str, payload: str) -> list[str] | None:
    """What a notification is about: names as above; None for everything, by `*` or by junk."""
    if payload.startswith("~"):
        return []  # a process looks whether it still hears
    parts = payload.split(",")
    if channel == WORK:
        return parts if all(part[:2] in ("a:", "r:", "i:") for part in parts) else None
    names = [f"u:{user}" for user, _, seq in (part.partition(":") for part in parts) if seq]
    return names if len(names) == len(parts) else None


class Ear:
    """One waiter. `heard` sleeps until a name of its own rings."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self.closed = False

    def ring(self) -> None:
        """Wake it, now or at its next `heard`."""
        self._rung.set()

    def close(self) -> None:
        """Nobody listens any more: no sleep from now on."""
        self.closed = True
        self._rung.set()

    async def heard(self, until: float) -> bool:
        """False when the loop's time `until` has come first, or it is closed."""
        try:
            async with asyncio.timeout_at(until):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return not self.closed


class Doorbell:
    """All who wait in this process, by the names they wait for."""

    def __init__(self) -> None:
        self._ears: dict[str, set[Ear]] = {}
        self._closed = False
        self._rung_all_at = float("-inf")
        self._later: asyncio.TimerHandle | None = None

    def notified(self, channel: str, payload: str) -> None:
        """A notification of Postgres: wake those whom it concerns."""
        names = names_in(channel, payload)
        if names is None:
            self._ring_all_soon()
        else:
            self.ring(names)

    def ring(self, names: list[str]) -> None:
        """Wake who waits for one of the names."""
        for name in names:
            for ear in self._ears.get(name, ()):
                ear.ring()

    async def ring_everybody(self) -> None:
        """Wake all, now: rings may have been missed while the listener was away."""
        self._ring_all()

    def close(self) -> None:
        """The process stops: every wait ends now, with what there is."""
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        for ear in self._everybody():
            ear.close()

    @contextmanager
    def listening(self, *names: str) -> Iterator[Ear]:
        """An ear for these names while inside."""
        ear = Ear()
        if self._closed:
            ear.close()
        for name in names:
            self._ears.setdefault(name, set()).add(ear)
        try:
            yield ear
        finally:
            for name in names:
                self._ears[name].discard(ear)
                if not self._ears[name]:
                    del self._ears[name]

    def _ring_all_soon(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._rung_all_at + EVERYTHING_PAUSE_S - loop.time()
        if wait_s <= 0:
            self._ring_all()
        elif self._later is None and not self._closed:
            self._later = loop.call_later(wait_s, self._ring_all)

    def _ring_all(self) -> None:
        self._later = None
        self._rung_all_at = asyncio.get_running_loop().time()
        for ear in self._everybody():
            ear.ring()

    def _everybody(self) -> set[Ear]:
        return {ear for ears in self._ears.values() for ear in ears}


@asynccontextmanager
async def while_there(receive: Receive, ear: Ear) -> AsyncIterator[None]:
    """Closes the ear when the caller hangs up, so that nobody waits for one who is gone."""

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ear.close()

    watch = asyncio.create_task(until_gone())
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait([watch])


async def settled(
    ear: Ear, read: Callable[[], Awaitable[T]], is_settled: Callable[[T], bool], wait_s: float
) -> T:
    """The first answer of `read` that is settled, or the last one when the wait is over."""
    until = asyncio.get_running_loop().time() + wait_s
    over = wait_s <= 0
    while True:
        found = await read()
        if over or ear.closed or is_settled(found):
            return found
        over = not await ear.heard(until)
