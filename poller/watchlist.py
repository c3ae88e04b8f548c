"""The numbers that the list of all active ones looks after, and when that list is due again.

Pure: `now_s` are seconds of a monotonic clock, handed in. One list covers an account, so it comes
as often as its youngest number wants to be looked at, oftener where there are many, and never more
than twice a second. Each row is read again from the database every 25 s or so (schedule.LISTED_S);
one that is not has gone.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from poller import planning, schedule
from poller.planning import Plan
from poller.work import Row

LIST_PAUSE_S = 0.5
LOOK_ANYWAY_S = 30.0
GONE_AFTER_S = 60.0


@dataclass(slots=True)
class _Watched:
    id: UUID
    since: datetime
    seen_at_s: float


class Watchlist:
    """One for each account; bounded by what lives there."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._listed_at_s = float("-inf")
        self._under_way = 0

    def list_begins(self, now_s: float) -> None:
        self._listed_at_s = now_s
        self._under_way += 1

    def list_ends(self) -> None:
        self._under_way -= 1

    def watch(self, row: Row, now_s: float) -> None:
        """The list has shown that this number waits."""
        if row.order_id is not None:
            self._watched[row.order_id] = _Watched(row.id, row.updated_at, now_s)

    def forget(self, row: Row) -> None:
        """It is dealt with by itself, or over."""
        self._watched.pop(row.order_id or "", None)

    def plan(self, rows: Iterable[Row], now: datetime, now_s: float) -> Plan:
        """What to do about the rows that are due, and whether to fetch the list."""
        due_s = self._due_s(now_s, now)
        return planning.plan(
            rows,
            now,
            may_list=now_s >= self._listed_at_s + LIST_PAUSE_S and not self._under_way,
            list_due=due_s is not None and due_s <= now_s,
            is_watched=lambda row: row.order_id in self._watched,
        )

    def wait_s(self, plan: Plan, next_row_s: float | None, now: datetime, now_s: float) -> float:
        """How long to do nothing. `next_row_s`: until a row is due that is not in hand or held."""
        waits = [LOOK_ANYWAY_S, LOOK_ANYWAY_S if next_row_s is None else next_row_s]
        due_s, soonest_s = self._due_s(now_s, now), self._listed_at_s + LIST_PAUSE_S
        if any(row.order_id not in self._watched for row in plan.held):
            waits.append(soonest_s - now_s)
        elif due_s is not None:
            waits.append(max(soonest_s, due_s) - now_s)
        # A list that is under way when the next is due ends at its own time, and then rings.
        return max(min(waits), LIST_PAUSE_S / 10 if self._under_way else 0.0)

    def take_missing(self, listed: Collection[str], most: int) -> list[str]:
        """Orders that the list no longer shows as alive; that proves nothing, so ask for each."""
        return self._taken([id for id in self._watched if id not in listed][:most])

    def take_youngest(self, most: int) -> list[str]:
        """Orders to ask for one by one, now that the list says nothing that can be understood."""
        order = sorted(self._watched, key=lambda id: self._watched[id].since, reverse=True)
        return self._taken(order[:most])

    def _due_s(self, now_s: float, now: datetime) -> float | None:
        """When the list is due for the numbers that it looks after; None where there are none."""
        self._taken([id for id, w in self._watched.items() if now_s - w.seen_at_s > GONE_AFTER_S])
        if not self._watched:
            return None
        youngest = max(each.since for each in self._watched.values())
        age_s = (now - youngest).total_seconds()
        return self._listed_at_s + schedule.list_interval_s(age_s, len(self._watched))

    def _taken(self, order_ids: list[str]) -> list[str]:
        for id in order_ids:
            del self._watched[id]
        return order_ids
