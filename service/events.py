"""/v1/events: the feed as Server-Sent Events, for EventSource and `curl -N`.

The cursor is that of /v1/changes; a reconnect sends it as Last-Event-ID. EventSource cannot set
headers, so that this route alone takes the token as `?access_token=` too; it is never logged.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from db import feed
from process.http import ABORT
from service import operations, waiting
from service.answers import NEVER_STORED
from service.callers import bearer
from service.headers import LAST_EVENT_ID
from service.parameters import EventsQuery, bounded, last_event_id, query
from service.parts import Parts
from service.reader import Reader
from service.stream import Outlet, Pace, Permit, Stream, TooSlow

START: Message = {"type": "http.response.start", "status": 200}
MEDIA_TYPE = "text/event-stream"
HEADERS: Mapping[str, str] = {**NEVER_STORED, "X-Accel-Buffering": "no"}  # nginx: hand on at once


class Events:
    """Streams of the feed."""

    def __init__(self, parts: Parts, reader: Reader, pace: Pace | None = None) -> None:
        self._parts = parts
        self._reader = reader
        self._pace = pace or Pace()

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        return [self._parts.resources.route({operations.EVENTS: self._events})]

    async def _events(self, request: Request) -> Response:
        given = request.query_params.get("access_token")
        token = given if given and "authorization" not in request.headers else bearer(request)
        user_id = await self._parts.callers.user_by(token)
        asked = query(request.query_params.multi_items(), EventsQuery)
        after = last_event_id(request.headers.get(LAST_EVENT_ID, ""))
        if after is None and asked.after is not None:
            after = bounded("after", asked.after, 0, feed.LIVE_ONLY - 1)

        async def check() -> datetime:
            _user_id, expires_at = await self._parts.callers.holder(token)
            return expires_at

        permit = Permit(user_id, check, self._parts.clock)
        stream = Stream(self._reader, permit, after, asked.epoch, self._pace)
        self._parts.streams.check(user_id)
        if request.method == "HEAD":
            return Response(None, 200, HEADERS, MEDIA_TYPE)
        return _Answer(self._parts, permit, stream, self._pace)


class _Answer(StreamingResponse):
    """Runs the stream while its reader is there."""

    def __init__(self, parts: Parts, permit: Permit, stream: Stream, pace: Pace) -> None:
        super().__init__(iter(()), 200, HEADERS, MEDIA_TYPE)
        self._parts = parts
        self._user_id = permit.user_id
        self._stream = stream
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = _Wire(send, {**START, "headers": self.raw_headers})
        name, limit_s = waiting.feed(self._user_id), self._pace.send_limit_s
        with self._parts.streams.take(self._user_id), self._parts.doorbell.listening(name) as ear:
            async with waiting.while_there(receive, ear):
                try:
                    await self._stream.run(ear, Outlet(wire.write, limit_s))
                    async with asyncio.timeout(limit_s):
                        await wire.end()
                except (TooSlow, TimeoutError):
                    # Ending the answer would first wait for the reader to take what is buffered.
                    scope["extensions"][ABORT]()
                    await wire.end()


class _Wire:
    """The answer's beginning goes with the first text.

    So who sees the stream open has its first id, and misses nothing if it is cut off just then.
    """

    def __init__(self, send: Send, start: Message) -> None:
        self._send = send
        self._start: Message | None = start

    async def write(self, text: bytes) -> None:
        await self._begin()
        await self._send({"type": "http.response.body", "body": text, "more_body": True})

    async def end(self) -> None:
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
