"""Clients without a WebSocket: one asks /v1/changes again and again, one reads /v1/events.

They keep the same cursor and the same kind of record as tests/chaos/client.py, so the checker holds
them to the same. HTTP answers carry no feed_prev: what a change follows is what they had before.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import httpx

from tests.chaos.client import Client, Door, now_s
from tests.chaos.record import Changed, Connected, Joined, ReadAnew, Resynced, Row
from tests.event_source import Event, EventReader
from tests.fixtures.service import token

WAIT_S = 3
ANSWER_LIMIT_S = 8.0
NUMERIC = {"weight", "price", "frozen_amount", "balance", "frozen"}
TIMES = {
    "created_at", "updated_at", "received_at", "sms_received_at", "cancel_after", "expires_at",
}  # fmt: skip
LOST = (httpx.codes.GONE, httpx.codes.CONFLICT)
SILENT_S = 30.0  # the service sends a comment before that


class HttpClient(Client):
    """What both have in common."""

    def _web(self, door: Door, limit_s: float) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token(self.record.user)}"}
        return httpx.AsyncClient(
            base_url=door.url, headers=headers, timeout=limit_s, trust_env=False
        )

    async def _begin(self, web: httpx.AsyncClient, door: Door) -> None:
        """Ask where the feed is; a client that has a cursor keeps it, with its history."""
        me = await web.get("/v1/me")
        me.raise_for_status()
        said = me.json()
        epoch = self.record.epoch or str(said["epoch"])
        self.record.note(Connected(now_s(), door.gateway))
        self.record.note(Joined(now_s(), self.record.since, int(said["feed_seq"]), epoch))
        self._backoff.reset()

    def _change(self, change: Mapping[str, object]) -> None:
        op, seq = str(change["type"]), int(str(change["feed_seq"]))
        record = _as_on_the_socket(change["record"])
        old = _as_on_the_socket(change["old_record"])
        row = old if record is None else record
        assert row is not None
        before = self.record.since or 0
        kept = old if op == "UPDATE" else None
        self.record.note(Changed(now_s(), seq, before, op, str(change["table"]), row, kept))

    async def _lost(self, reason: str, feed_seq: int, epoch: str) -> None:
        self.record.note(Resynced(now_s(), reason.replace("_", " "), feed_seq, epoch))
        self.record.note(ReadAnew(now_s(), *await self._read_anew(self.record.user)))


class AskingClient(HttpClient):
    """Long polling."""

    async def _follow(self, door: Door) -> None:
        async with self._web(door, ANSWER_LIMIT_S) as web:
            await self._begin(web, door)
            while True:
                await self._ask(web)

    async def _ask(self, web: httpx.AsyncClient) -> None:
        params = {"after": str(self.record.since), "epoch": str(self.record.epoch)}
        answer = await web.get("/v1/changes", params={**params, "wait": str(WAIT_S)})
        if answer.status_code in LOST:
            said = cast(Mapping[str, object], _parsed(answer.text))
            await self._lost(str(said["code"]), int(str(said["feed_seq"])), str(said["epoch"]))
            return
        answer.raise_for_status()
        said = cast(Mapping[str, object], _parsed(answer.text))
        for change in cast(list[Mapping[str, object]], said["changes"]):
            self._change(change)


class StreamingClient(HttpClient):
    """Server-Sent Events, as EventSource reads them."""

    async def _follow(self, door: Door) -> None:
        async with self._web(door, SILENT_S) as web:
            await self._begin(web, door)
            params = {"epoch": str(self.record.epoch)}
            headers = {"Last-Event-ID": str(self.record.since)}
            async with web.stream("GET", "/v1/events", params=params, headers=headers) as answer:
                answer.raise_for_status()
                reader = EventReader(answer, parse=_parsed)
                while (event := await reader.next_or_end(SILENT_S)) is not None:
                    await self._take(event)
        raise httpx.ReadError("the stream has ended")

    async def _take(self, event: Event) -> None:
        if event.name == "change":
            self._change(event.data)
        elif event.name == "resync":
            said = event.data
            await self._lost(str(said["message"]), int(said["feed_seq"]), str(said["epoch"]))


def _as_on_the_socket(row: object) -> Row | None:
    """A row as the log has it: HTTP writes money as strings and times with a Z (docs/api.md)."""
    if row is None:
        return None
    given = cast(Row, row)
    numbers = {name: Decimal(str(given[name])) for name in NUMERIC & given.keys() if given[name]}
    times = {name: _time(str(given[name])) for name in TIMES & given.keys() if given[name]}
    return {**given, **numbers, **times}


def _time(said: str) -> str:
    seconds, point, fraction = said.removesuffix("Z").partition(".")
    return f"{seconds}{point if fraction.strip('0') else ''}{fraction.rstrip('0')}+00:00"


def _parsed(text: str) -> object:
    return json.loads(text, parse_float=Decimal)
