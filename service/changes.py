"""/v1/changes: the feed over plain HTTP, for clients whose WebSocket does not get through.

Promised to them: the cursor is that of the WebSocket and the feed is read as the gateway reads it;
it waits for news if asked; a cursor that cannot be served completely is refused, never half served.
"""

from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db import feed
from service import operations, waiting
from service.answers import answer
from service.callers import bearer
from service.parameters import MAX_LIMIT, MAX_WAIT_S, ChangesQuery, bounded, query
from service.parts import Parts
from service.payloads import Changes
from service.problems import Problem
from service.reader import Cursor, FeedPage, Reader


class ChangesFeed:
    """Pages of the feed."""

    def __init__(self, parts: Parts, reader: Reader) -> None:
        self._parts = parts
        self._reader = reader

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        return [self._parts.resources.route({operations.CHANGES: self._changes})]

    async def _changes(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        asked = query(request.query_params.multi_items(), ChangesQuery)
        wait_s = bounded("wait", asked.wait, 0, MAX_WAIT_S)
        limit = bounded("limit", asked.limit, 1, MAX_LIMIT)
        if asked.after is None:
            after = (await self._reader.position(user_id)).feed_seq
        else:
            after = bounded("after", asked.after, 0, feed.LIVE_ONLY - 1)
        cursor = Cursor(user_id, after, asked.epoch, limit)

        async def look() -> FeedPage:
            return await self._reader.page(cursor)

        with self._slot(user_id, wait_s):
            page = await self._parts.settled(
                request, [waiting.feed(user_id)], look, _is_news, wait_s
            )
        if wait_s:
            await self._parts.callers.holder(bearer(request))  # it may have ended meanwhile
        return answer(_served(page))

    def _slot(self, user_id: UUID, wait_s: int) -> AbstractContextManager[None]:
        return self._parts.slots.take(user_id) if wait_s else nullcontext()


def _is_news(page: FeedPage) -> bool:
    return bool(page.changes) or page.lost is not None


def _served(page: FeedPage) -> Changes:
    if page.lost is not None:
        raise Problem(
            page.lost.replace(" ", "_"),
            f"{page.lost}: read /v1/activations again, and go on from its feed_seq",
            {"feed_seq": page.last_seq, "epoch": page.epoch},
        )
    return Changes(changes=page.changes, feed_seq=page.feed_seq, epoch=page.epoch, more=page.more)
