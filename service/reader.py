"""The feed as the HTTP API shows it: read as the gateway reads it, rows as in the rest of the API.

Promised: a page is of one snapshot, and one that does not begin right after the cursor says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from db import feed
from service import records, rows
from service.database import Connection, Database
from service.payloads import FeedChange
from service.records import ColumnTypes, UnknownColumn


@dataclass(frozen=True)
class Cursor:
    """Where the user reads on: after that number, in the history of that name (None: unchecked)."""

    user_id: UUID
    after: int
    epoch: str | None
    limit: int


@dataclass(frozen=True)
class FeedPage:
    """What follows a cursor. `lost` says why nothing does although something should."""

    changes: Sequence[FeedChange]
    last_seq: int
    epoch: str
    lost: feed.LostCursor | None

    @property
    def feed_seq(self) -> int:
        """The cursor after this page."""
        return self.changes[-1].feed_seq if self.changes else self.last_seq

    @property
    def more(self) -> bool:
        """Whether there is more already."""
        return self.feed_seq < self.last_seq


class Reader:
    """Reads pages; knows the columns' types."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._types: dict[tuple[str, str], dict[str, str]] = {}

    async def position(self, user_id: UUID) -> rows.Position:
        """How far the user's feed is."""
        return await self._database.read(lambda c: rows.position(c, user_id))

    async def page(self, cursor: Cursor) -> FeedPage:
        """What follows the cursor."""
        return await self._database.read(lambda c: self._page(c, cursor))

    async def _page(self, connection: Connection, cursor: Cursor) -> FeedPage:
        user = str(cursor.user_id)
        epoch = feed.wire_epoch(await feed.read_epoch(connection), user)
        [page] = await feed.read(connection, {user: cursor.after}, cursor.limit)
        lost = feed.lost_cursor(page, cursor.after)
        if cursor.epoch is not None and cursor.epoch != epoch:
            lost = "other history"
        if lost is not None:
            return FeedPage((), page.last_seq, epoch, lost)
        changes = [await self._shown(connection, change) for change in page.changes]
        return FeedPage(changes, page.last_seq, epoch, None)

    async def _shown(self, connection: Connection, change: feed.Change) -> FeedChange:
        types = self._types.get((change.schema, change.table), {})
        try:
            return _on_wire(change, types)
        except UnknownColumn:
            self._types = await rows.column_types(connection)
        types = self._types.get((change.schema, change.table), {})
        return _on_wire(change, types, dropped_columns=True)


def _on_wire(
    change: feed.Change, types: ColumnTypes, *, dropped_columns: bool = False
) -> FeedChange:
    def shown(row: str | None) -> records.Row | None:
        return None if row is None else records.on_wire(row, types, dropped_columns)

    return FeedChange(
        feed_seq=change.seq,
        type=change.op,
        schema=change.schema,
        table=change.table,
        commit_timestamp=change.commit_timestamp,
        record=shown(change.record),
        old_record=shown(change.old),
    )
