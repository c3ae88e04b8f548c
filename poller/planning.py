"""How due rows are dealt with: together, by the list of active numbers, or each by itself.

Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from poller import rereading
from poller.work import Row


@dataclass(frozen=True)
class Plan:
    """`together`: rows that one list covers. `alone`: rows with a course of their own.

    `held`: rows that the list would cover, and that wait because it was asked for just now.
    """

    together: tuple[Row, ...]
    alone: tuple[Row, ...]
    held: tuple[Row, ...] = ()


def plan(rows: Iterable[Row], now: datetime, *, may_list: bool) -> Plan:
    """Sort the rows. A row that somebody asks about never waits for the next list."""
    listed: list[Row] = []
    alone: list[Row] = []
    for row in rows:
        (listed if is_listed(row, now) else alone).append(row)
    if may_list or any(row.requests for row in listed):
        return Plan(tuple(listed), tuple(alone))
    return Plan((), tuple(alone), tuple(listed))


def is_listed(row: Row, now: datetime) -> bool:
    """Whether the list of active numbers can settle the row: it just waits for its SMS."""
    waits = row.status == "pending" and row.order_id is not None and now < row.ends_at
    ending = row.charged and row.asked_for("finish")
    return waits and not ending and not row.asked_for("another") and not rereading.is_wanted(row)
