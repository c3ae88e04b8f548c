"""How late changes are: since when the longest-waiting new change of a page has waited. Pure.

Only what is new to this gateway counts: what a client that was away reads again is as old as its
absence, and says nothing of us.
"""

from datetime import UTC, datetime

from db.feed import Page

MOST_USERS = 100_000  # then all are forgotten, and the next page of each counts for nothing


class Delays:
    """Remembers up to which number each user's feed was read."""

    def __init__(self) -> None:
        self._read_to: dict[str, int] = {}

    def waited_s(self, page: Page, now: datetime) -> float | None:
        """Seconds since the statement that made the page's first new change; None without one.

        Never below 0, which two clocks could make it.
        """
        if len(self._read_to) >= MOST_USERS:
            self._read_to.clear()
        before = self._read_to.get(page.user)
        self._read_to[page.user] = page.last_seq
        if before is None:
            return None
        fresh = next((change for change in page.changes if change.seq > before), None)
        if fresh is None:
            return None
        made = datetime.fromisoformat(fresh.commit_timestamp)
        return max((now.astimezone(UTC) - made).total_seconds(), 0.0)
