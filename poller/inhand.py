"""What is in hand: rows that are being asked about, and results that are not written yet.

Promised to the worker: a row is in hand once, from its being picked until its result is written, so
that nobody asks about it twice at a time; a result that could not be written waits a little and is
offered again. Bounded by what the worker takes.
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import replace
from uuid import UUID

from poller.saving import Saved
from poller.work import Outcome, Row

HELD_PAUSE_S = 0.5


class InHand:
    """Times are the seconds of a monotonic clock, handed in."""

    def __init__(self) -> None:
        self._rows: set[UUID] = set()
        self._purchases: set[UUID] = set()
        self._unsaved: dict[UUID, Outcome] = {}
        self._held_until_s: dict[UUID, float] = {}
        self.results = asyncio.Event()
        self.empty = asyncio.Event()
        self.empty.set()

    @property
    def rows(self) -> Collection[UUID]:
        return self._rows

    @property
    def purchases(self) -> int:
        """How many of them wait for their number."""
        return len(self._purchases)

    def take(self, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows that were not in hand; now they are."""
        taken = [row for row in rows if row.id not in self._rows]
        self._rows.update(row.id for row in taken)
        self._purchases.update(row.id for row in taken if row.status == "requested")
        self._note_whether_empty()
        return taken

    def release(self, row: Row) -> None:
        """Let go of a row about which there is nothing to write."""
        self._let_go(row.id)
        self._note_whether_empty()

    def awaits(self, row: Row) -> bool:
        """Whether the row is in hand and has no result yet."""
        return row.id in self._rows and row.id not in self._unsaved

    def put(self, outcome: Outcome) -> None:
        self._unsaved[outcome.row.id] = outcome
        self.results.set()

    def batch(self, most: int, now_s: float) -> list[Outcome]:
        """Results to write now; none while all are held."""
        self.results.clear()
        ready = (
            outcome
            for id, outcome in self._unsaved.items()
            if self._held_until_s.get(id, now_s) <= now_s
        )
        return [outcome for outcome, _ in zip(ready, range(most), strict=False)]

    def written(self, saved: Saved, now_s: float) -> None:
        """Let go of what was saved, and hold back what others hold."""
        for id in saved.saved:
            del self._unsaved[id]
            self._let_go(id)
        self._held_until_s.update(dict.fromkeys(saved.held, now_s + HELD_PAUSE_S))
        self._note_whether_empty()

    def keep_only_news(self) -> None:
        """Somebody else deals with the rows now: forget what we decided, keep what came to pass."""
        for id, outcome in list(self._unsaved.items()):
            if outcome.news:
                self._unsaved[id] = replace(
                    outcome, changes=outcome.news, look_at=None, answered=(), hints=()
                )
            else:
                del self._unsaved[id]
                self._let_go(id)
        self._note_whether_empty()

    def _let_go(self, id: UUID) -> None:
        self._rows.discard(id)
        self._purchases.discard(id)
        self._held_until_s.pop(id, None)

    def _note_whether_empty(self) -> None:
        if self._rows:
            self.empty.clear()
        else:
            self.empty.set()
