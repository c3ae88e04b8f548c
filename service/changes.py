"""/v1/changes: the feed over plain HTTP, for clients whose WebSocket does not get through.

Promised to them: the cursor is that of the WebSocket and the feed is read as the gateway reads it;
it waits for news if asked; a cursor that cannot be served completely is refused, never half served.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db import feed
from service import records, rows, waiting
from service.answers import answer
from service.database import Connection
from service.parameters import MAX_LIMIT, MAX_WAIT_S, ChangesQuery, bounded, query
from service.parts import Parts
from service.payloads import Changes, FeedChange
from service.problems import Problem
from service.records import ColumnTypes, UnknownColumn


@dataclass(frozen=True)
class Cursor:
    """Where the user reads on: after that number, in the history of that name (None: unchecked)."""

    user_id: UUID
    after: int
    epoch: str | None
    limit: int


class ChangesFeed:
    """Reads the feed as the gateway does, and shows rows as the rest of the API does."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._types: dict[tuple[str, str], dict[str, str]] = {}

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        return [self._parts.resources.route("/v1/changes", GET=self._changes)]

    async def _changes(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        asked = query(request.query_params.multi_items(), ChangesQuery)
        wait_s = bounded("wait", asked.wait, 0, MAX_WAIT_S)
        limit = bounded("limit", asked.limit, 1, MAX_LIMIT)
        if asked.after is None:
            after = await self._last_seq(user_id)
        else:
            after = bounded("after", asked.after, 0, feed.LIVE_ONLY - 1)
        cursor = Cursor(user_id, after, asked.epoch, limit)

        async def look() -> Changes:
            return await self._parts.database.read(lambda c: self._page(c, cursor))

        with self._slot(user_id, wait_s):
            page = await self._parts.settled(
                request, [waiting.feed(user_id)], look, _has_changes, wait_s
            )
        if wait_s:
            await self._parts.callers.user_of(request)  # the token may have ended meanwhile
        return answer(page)

    def _slot(self, user_id: UUID, wait_s: int) -> AbstractContextManager[None]:
        return self._parts.slots.take(user_id) if wait_s else nullcontext()

    async def _last_seq(self, user_id: UUID) -> int:
        found = await self._parts.database.read(lambda c: rows.position(c, user_id))
        return found.feed_seq

    async def _page(self, connection: Connection, cursor: Cursor) -> Changes:
        user = str(cursor.user_id)
        epoch = feed.wire_epoch(await feed.read_epoch(connection), user)
        [page] = await feed.read(connection, {user: cursor.after}, cursor.limit)
        _refuse_lost(page, cursor, epoch)
        changes = [await self._shown(connection, change) for change in page.changes]
        feed_seq = changes[-1].feed_seq if changes else page.last_seq
        return Changes(
            changes=changes, feed_seq=feed_seq, epoch=epoch, more=feed_seq < page.last_seq
        )

    async def _shown(self, connection: Connection, change: feed.Change) -> FeedChange:
        types = self._types.get((change.schema, change.table), {})
        try:
            return _on_wire(change, types)
        except UnknownColumn:
            self._types = await rows.column_types(connection)
        types = self._types.get((change.schema, change.table), {})
        return _on_wire(change, types, dropped_columns=True)


def _has_changes(page: Changes) -> bool:
    return bool(page.changes)


def _refuse_lost(page: feed.Page, cursor: Cursor, epoch: str) -> None:
    lost = feed.lost_cursor(page, cursor.after)
    if cursor.epoch is not None and cursor.epoch != epoch:
        lost = "other history"
    if lost is not None:
        raise Problem(
            lost.replace(" ", "_"),
            f"{lost}: read /v1/activations again, and go on from its feed_seq",
            {"feed_seq": page.last_seq, "epoch": epoch},
        )


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
