"""How due rows are dealt with: together, by the list of active numbers, or each by itself.

Pure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from poller import rereading
from poller.work import Row


@dataclass(frozen=True)
class Plan:
    """`together`: rows that one list covers. `alone`: rows with a course of their own.

    `held`: rows that the list would cover, and that wait for the next one. `lists`: fetch the list.
    """

    together: tuple[Row, ...]
    alone: tuple[Row, ...]
    held: tuple[Row, ...] = ()
    lists: bool = False


def plan(
    rows: Iterable[Row],
    now: datetime,
    *,
    may_list: bool,
    list_due: bool = False,
    is_watched: Callable[[Row], bool] = lambda _row: False,
) -> Plan:
    """Sort the rows. A row that somebody asks about never waits for the next list.

    `may_list`: none was fetched just now. `list_due`: one is wanted for the numbers that lists look
    after anyway; such a row is not worth another list of its own.
    """
    listed: list[Row] = []
    alone: list[Row] = []
    for row in rows:
        (listed if is_listed(row, now) else alone).append(row)
    asked = any(row.requests for row in listed)
    wanted = list_due or any(not is_watched(row) for row in listed)
    if asked or (may_list and wanted):
        return Plan(tuple(listed), tuple(alone), lists=True)
    return Plan((), tuple(alone), tuple(listed))


def is_listed(row: Row, now: datetime) -> bool:
    """Whether the list of active numbers can settle the row: it just waits for its SMS."""
    waits = row.status == "pending" and row.order_id is not None and now < row.ends_at
    ending = row.charged and row.asked_for("finish")
    return waits and not ending and not row.asked_for("another") and not rereading.is_wanted(row)
