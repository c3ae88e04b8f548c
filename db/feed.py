"""Reading users' feeds: one statement for all who are due, and what its answer proves.

The gateway's loop and the service's /v1/changes read here, so that a cursor means the same to both.
A page is of one snapshot: its changes are numbered after + 1, after + 2, ... without a gap, or a
part of the history is gone, and `lost_cursor` says which. Whether it was pruned, or should be there
and is not, `read_marks` tells.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db.errors import Incomplete, translated
from db.queries import queries

LIVE_ONLY = 2**62  # an `after` that no feed reaches: the answer is the last number alone

LostCursor = Literal["cursor too old", "cursor ahead", "other history"]


@dataclass(frozen=True, slots=True)
class Change:
    """One numbered change. `record` and `old` are whole rows, JSON text; times RFC 3339 UTC."""

    seq: int
    commit_timestamp: str
    schema: str
    table: str
    op: str
    record: str | None
    old: str | None


@dataclass(slots=True)
class Page:
    """What one read found for one user: `changes` follow `after`, all if `complete`."""

    user: str
    after: int
    last_seq: int
    changes: list[Change] = field(default_factory=list)
    complete: bool = True

    @property
    def served_from(self) -> int:
        """The lowest cursor that this page serves without a gap: what is before it is gone."""
        if not self.changes:
            return self.last_seq
        first, last = self.changes[0].seq, self.changes[-1].seq
        if self.complete and last != self.last_seq:
            return self.last_seq
        return first - 1 if last - first < len(self.changes) else self._last_hole()

    def _last_hole(self) -> int:
        later = pairwise(reversed(self.changes))
        return next(after.seq - 1 for after, before in later if before.seq != after.seq - 1)


def lost_cursor(page: Page, cursor: int) -> LostCursor | None:
    """Why `cursor` (at least the page's `after`) cannot be served from here; None if it can."""
    if cursor > page.last_seq:
        return "cursor ahead"
    if cursor < page.served_from:
        return "cursor too old"
    return None


def wire_epoch(epoch: UUID, user: str) -> str:
    """The history's name as this user sees it: 16 hex digits that tell nothing of other users."""
    return hashlib.sha256(epoch.bytes + UUID(user).bytes).hexdigest()[:16]


async def read(
    connection: AsyncConnection[TupleRow], due: Mapping[str, int], most: int
) -> list[Page]:
    """A page for each due user (uuid text -> the cursor to read after), `most` changes each."""
    if not due:
        return []
    with translated():
        cursor = connection.cursor(binary=True)
        await cursor.execute(
            queries["feed_after"],
            {"user_ids": _array(due), "after": _array(due.values()), "most": most},
            prepare=True,
        )
        rows = await cursor.fetchall()
    return _pages(rows, due, most)


def _array(items: Iterable[object]) -> str:
    """A Postgres array of uuids or integers as text: psycopg takes 40 us to look into a list."""
    return "{" + ",".join(map(str, items)) + "}"


def _pages(rows: list[TupleRow], due: Mapping[str, int], most: int) -> list[Page]:
    pages: dict[str, Page] = {}
    for user, last_seq, seq, *change in rows:
        page = pages.get(user)
        if page is None:
            page = pages[user] = Page(user, due[user], last_seq)
        if seq is not None:
            page.changes.append(Change(seq, *change))
    for page in pages.values():
        # In order already, by the plan; SQL alone would promise that for the price of a sort.
        page.changes.sort(key=_seq)
        page.complete = len(page.changes) < most
    return list(pages.values())


def _seq(change: Change) -> int:
    return change.seq


async def read_marks(connection: AsyncConnection[TupleRow], users: Iterable[str]) -> dict[str, int]:
    """How far these users' feeds were pruned; without the users of whom nothing ever was."""
    with translated():
        cursor = await connection.execute(queries["pruned_marks"], {"user_ids": _array(users)})
        return dict(await cursor.fetchall())


async def read_epoch(connection: AsyncConnection[TupleRow]) -> UUID:
    """Which history this database has. Incomplete while it has none."""
    with translated():
        row = await (await connection.execute(queries["epoch"])).fetchone()
    if row is None:
        raise Incomplete
    epoch: UUID = row[0]
    return epoch
