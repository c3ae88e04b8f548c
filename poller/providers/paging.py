"""A list of active numbers that comes in pages, put together to one.

Pure. Numbers begin and end while the pages are turned, and then every later row moves. So each page
begins with the last rows of the one before: where none of them is met again, rows were passed over,
and the list is not whole.
"""

from dataclasses import dataclass, field, replace

from poller.providers.answers import ActiveList, ActiveRow

OVERLAP = 10
MAX_PAGES = 250


@dataclass(frozen=True)
class Pages:
    """What the pages so far have, of `size` rows each."""

    size: int
    rows: dict[str, ActiveRow] = field(default_factory=dict)
    skipped: int = 0
    whole: bool = True
    count: int = 0
    done: bool = False

    @property
    def next_start(self) -> int:
        """The row with which the next page begins."""
        return self.count * (self.size - OVERLAP)

    def with_page(self, page: ActiveList, *, done: bool = False) -> "Pages":
        """With one more page; `done` where none has to follow, as where this one is not full."""
        met = self.count == 0 or any(row.order_id in self.rows for row in page.rows)
        return replace(
            self,
            rows=self.rows | {row.order_id: row for row in page.rows},
            skipped=self.skipped + page.skipped,
            whole=self.whole and met and page.whole,
            count=self.count + 1,
            done=done or len(page.rows) + page.skipped < self.size,
        )

    @property
    def may_go_on(self) -> bool:
        return not self.done and self.count < MAX_PAGES

    def list(self) -> ActiveList:
        """One list of them all; not whole where pages are left."""
        whole = self.whole and self.done and self.skipped == 0
        return ActiveList(tuple(self.rows.values()), self.skipped, whole)
