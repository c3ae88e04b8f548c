"""What the list of all active numbers says about the rows that wait, and what it leaves open.

Pure. A number that is listed and waits is settled, and so is one whose SMS is listed. A number that
is not listed is not: absence proves nothing, so it is asked for by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from poller import schedule
from poller.arrivals import arrivals
from poller.providers.answers import ActiveList, ActiveRow
from poller.steps import answered, became, seed
from poller.work import Outcome, Row


@dataclass(frozen=True)
class Settled:
    """`outcomes` are known; `open_rows` have to be asked for one by one.

    `waiting`: the rows among the known that go on waiting, and that lists look after from now on.
    """

    outcomes: tuple[Outcome, ...]
    open_rows: tuple[Row, ...]
    waiting: tuple[Row, ...]


def settle(rows: Sequence[Row], active: ActiveList, now: datetime) -> Settled:
    """Read the list for these rows, all of them pending and not past their time."""
    listed = {entry.order_id: entry for entry in active.rows}
    found = [(row, _outcome(row, listed.get(row.order_id or ""), now)) for row in rows]
    return Settled(
        outcomes=tuple(outcome for _, outcome in found if outcome is not None),
        open_rows=tuple(row for row, outcome in found if outcome is None),
        waiting=tuple(row for row, outcome in found if outcome and not outcome.changes),
    )


def _outcome(row: Row, listed: ActiveRow | None, now: datetime) -> Outcome | None:
    if listed is None:
        return None
    news = arrivals(row, listed.sms, now)
    if news:
        return became(row, now, "received", *news)
    # A row that waits for one more SMS: only its status tells whether the provider was asked.
    if row.charged or not listed.alive:
        return None
    at = schedule.next_read_at(now, expires_at=row.ends_at, seed=seed(row))
    return Outcome(row, look_at=at, answered=answered(row, row.status))


def news(row: Row, listed: Mapping[str, ActiveRow], now: datetime) -> Outcome | None:
    """What the list, by order, has for a row that was not due; None where it has nothing new."""
    entry = listed.get(row.order_id or "")
    changes = arrivals(row, entry.sms, now) if entry else []
    return became(row, now, "received", *changes) if changes else None
