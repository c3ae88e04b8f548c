"""The measurements, one function each: what is done, and what is read off."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.child import Child, ChildFailed
from bench.figures import Delays, delays
from bench.messages import Arrivals, Collect, Committed, Open, Opened, Write
from bench.plan import BATCH

LEAD_NS = 100_000_000  # all writers get their command before the first change is due
DRAIN_S = 10
OPEN_TIMEOUT_S = 180
KEPT_UP = 0.95  # of the offered rate, end to end
MOST_P99_MS = 100


class Marks:
    """Numbers for changes; none is used twice in a run."""

    def __init__(self) -> None:
        self._next = 1

    def take(self, count: int) -> int:
        """The first of `count` consecutive numbers."""
        first = self._next
        self._next += count
        return first


@dataclass(frozen=True)
class Load:
    """`per_s` changes a second for `seconds`, over `users` users, `batch` in a transaction."""

    statement: str
    per_s: float
    seconds: float
    users: int
    batch: int = 1


@dataclass(frozen=True)
class Sustained:
    """One step of the search: what was offered, what arrived a second, and how late."""

    offered_per_s: float
    arrived_per_s: float
    delays: Delays

    @property
    def kept_up(self) -> bool:
        """Whether everything came, as fast as it was offered, and in time."""
        return (
            self.arrived_per_s >= KEPT_UP * self.offered_per_s
            and self.delays.p99_ms < MOST_P99_MS
            and self.delays.lost == self.delays.doubled == 0
        )


async def open_sockets(crowd: Child, first: int, count: int) -> float:
    """Connect and join `count` more sockets; how many seconds that took."""
    opened = await crowd.ask(Open(first, count), Opened, OPEN_TIMEOUT_S)
    return opened.seconds


async def delay_round(
    writers: Sequence[Child], crowd: Child, marks: Marks, load: Load
) -> tuple[Delays, float]:
    """One round of `load`; the delays, and how many changes arrived a second."""
    shares = await _write(writers, marks, load)
    committed = {mark: at_ns for share in shares for mark, at_ns in share.items()}
    arrivals = await crowd.ask(Collect(len(committed), DRAIN_S), Arrivals, DRAIN_S + 60)
    if arrivals.died:
        raise ChildFailed(f"{arrivals.died} sockets were closed by the server during the run")
    began_ns = min(committed.values(), default=0)
    took_s = (max(arrivals.times_ns, default=began_ns) - began_ns) / 1e9
    return delays(committed, arrivals), len(committed) / max(took_s, 1e-9)


async def sustained(
    writers: Sequence[Child],
    crowd: Child,
    marks: Marks,
    users: int,
    rates: Sequence[int],
    seconds: float,
) -> list[Sustained]:
    """Rising rates in batches, until one is not kept up with; that one is the last of the list."""
    steps: list[Sustained] = []
    for per_s in rates:
        load = Load("watched_many", per_s, seconds, users, BATCH)
        found, arrived_per_s = await delay_round(writers, crowd, marks, load)
        steps.append(Sustained(per_s, arrived_per_s, found))
        if not steps[-1].kept_up:
            break
    return steps


async def cost(writer: Child, marks: Marks, statement: str, changes: int, batch: int) -> float:
    """Seconds that one writer, alone and without pause, needs for a transaction."""
    command = Write(
        statement=statement,
        first=marks.take(changes * batch),
        changes=changes * batch,
        batch=batch,
        first_user=0,
        users=BATCH * 2,  # few enough to be warm, enough for a batch of different users
        start_ns=0,
        per_s=0,
    )
    done = await writer.ask(command, Committed, timeout_s=120)
    return (done.times_ns[-1] - done.began_ns) / 1e9 / changes


async def _write(writers: Sequence[Child], marks: Marks, load: Load) -> list[dict[int, int]]:
    """When each mark was committed, for each of the writers, who share the load and the users."""
    whole = len(writers) * load.batch
    changes = max(1, round(load.per_s * load.seconds / whole)) * load.batch
    users = load.users // len(writers)
    start_ns = time.monotonic_ns() + LEAD_NS
    pause_ns = int(1e9 * load.batch / load.per_s)
    commands = [
        Write(
            statement=load.statement,
            first=marks.take(changes),
            changes=changes,
            batch=load.batch,
            first_user=number * users,
            users=users,
            start_ns=start_ns + number * pause_ns,  # in turns, not all at once
            per_s=load.per_s / len(writers),
        )
        for number in range(len(writers))
    ]
    limit_s = load.seconds * 10 + 30
    asked = (_share(w, c, limit_s) for w, c in zip(writers, commands, strict=True))
    return await asyncio.gather(*asked)


async def _share(writer: Child, command: Write, timeout_s: float) -> dict[int, int]:
    done = await writer.ask(command, Committed, timeout_s)
    return {
        command.first + turn * command.batch + row: at_ns
        for turn, at_ns in enumerate(done.times_ns)
        for row in range(command.batch)
    }
