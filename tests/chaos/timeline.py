"""What was done to a world and what its clients saw of it, on one clock, to be read by people.

Printed where a run finds something wrong, and by `make soak`. Seconds count from the world's start;
changes in a row are one line. docs/reliability.md explains how to read it.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from tests.chaos.checker import Excuse
from tests.chaos.record import (
    Changed,
    Connected,
    Ended,
    Event,
    Failed,
    Joined,
    ReadAnew,
    Record,
    Resynced,
)  # fmt: skip

EVERYBODY = "*"


@dataclass(frozen=True)
class Entry:
    """One line: when, who or what, and what happened."""

    at_s: float
    who: str
    what: str


@dataclass
class Timeline:
    """What was done, as it is done; `excuses` are those of its steps that end sockets."""

    began_s: float = field(default_factory=time.monotonic)
    entries: list[Entry] = field(default_factory=list)
    _excuses: list[tuple[str, float, float | None, str]] = field(default_factory=list)

    def say(self, who: str, what: str) -> None:
        """Something was done, or became known."""
        self.entries.append(Entry(time.monotonic(), who, what))

    @contextmanager
    def fault(self, what: str, gateway: str = EVERYBODY) -> Iterator[None]:
        """A fault for the length of a block, that may end the sockets of `gateway`."""
        place = len(self._excuses)
        self._excuses.append((gateway, time.monotonic(), None, what))
        self.say(gateway, what)
        try:
            yield
        finally:
            self._excuses[place] = (gateway, self._excuses[place][1], time.monotonic(), what)
            self.say(gateway, f"over: {what}")

    def excuse(self, gateway: str, what: str) -> None:
        """The same for what is over at once."""
        with self.fault(what, gateway):
            pass

    @property
    def excuses(self) -> list[Excuse]:
        """What may have ended sockets so far."""
        now_s = time.monotonic()
        return [Excuse(g, since, now_s if until is None else until, why)
                for g, since, until, why in self._excuses]  # fmt: skip

    def text(self, records: Iterable[Record]) -> str:
        """All of it in order, a line each."""
        told = [entry for record in records for entry in _told(record)]
        lines = sorted([*self.entries, *told], key=lambda entry: entry.at_s)
        return "\n".join(
            f"{entry.at_s - self.began_s:8.3f}  {entry.who:<12} {entry.what}" for entry in lines
        )


def _told(record: Record) -> Iterator[Entry]:
    for is_change, group in groupby(record.events, lambda event: isinstance(event, Changed)):
        events = list(group)
        if is_change:
            numbers = [event.seq for event in events if isinstance(event, Changed)]
            yield Entry(events[0].at_s, record.client, _numbers(numbers, events[-1].at_s))
        else:
            yield from (Entry(event.at_s, record.client, _sentence(event)) for event in events)


def _numbers(numbers: list[int], last_s: float) -> str:
    if len(numbers) == 1:
        return f"change {numbers[0]}"
    return f"changes {numbers[0]} to {numbers[-1]} ({len(numbers)})"


def _sentence(event: Event) -> str:
    match event:
        case Connected():
            return f"connected to {event.gateway}"
        case Joined():
            return f"joined after {event.since}; the log is at {event.feed_seq}"
        case Resynced():
            return f"told to read anew ({event.reason}), goes on after {event.feed_seq}"
        case ReadAnew():
            return f"read {len(event.rows)} rows at {event.seq}"
        case Failed():
            return f"not served by {event.gateway}: {event.why}"
        case Ended():
            whose = "gave up" if event.by_client else "was cut off"
            return f"{whose} by {event.gateway}: {event.code or 'no code'} {event.reason}".rstrip()
        case Changed():
            return f"change {event.seq}"
