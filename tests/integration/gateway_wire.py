"""A plain WebSocket to the gateway, for the tests of this folder: frames as small facts.

`Wire` speaks either serializer. `follow` does what a good client does: it keeps its cursor, comes
back when it is cut off, and insists at every change that none is missing and none comes twice.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from process.tokens import mint
from tests.gateway_process import SECRET, GatewayProcess, token

LIMIT_S = 15
TOPIC = "realtime:test"
CARGO = "create table cargo (id int primary key, owner uuid, note text, weight numeric)"

Frame = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One change as it came. `row` is the new row, the old one of a DELETE."""

    ids: Sequence[int]
    type: str
    table: str
    row: Frame
    old: Frame | None
    seq: int
    prev: int


class Wire:
    """One socket. Refs are counted; a join's ref is its join_ref."""

    def __init__(self, connection: ClientConnection, vsn: str) -> None:
        self.connection = connection
        self._vsn = vsn
        self._refs = 0

    async def say(
        self, event: str, payload: object, topic: str = TOPIC, join_ref: str | None = None
    ) -> str:
        """Send one frame; its ref."""
        self._refs += 1
        ref = str(self._refs)
        if self._vsn == "1.0.0":
            frame: object = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        else:
            frame = [join_ref or ref, ref, topic, event, payload]
        await self.connection.send(json.dumps(frame))
        return ref

    async def join(self, access_token: str | None, *bindings: object, topic: str = TOPIC) -> str:
        """Send a phx_join; its ref."""
        payload: Frame = {"config": {"postgres_changes": list(bindings)}}
        if access_token is not None:
            payload["access_token"] = access_token
        return await self.say("phx_join", payload, topic)

    async def subscribe(self, access_token: str, *bindings: object, topic: str = TOPIC) -> Frame:
        """Join and take both answers; the payload of `system`."""
        await self.join(access_token, *bindings, topic=topic)
        reply, system = await self.frame(), await self.frame()
        assert (reply["event"], reply["payload"]["status"]) == ("phx_reply", "ok"), reply
        assert system["event"] == "system"
        return dict(system["payload"])

    async def frame(self) -> Frame:
        """The next frame: {topic, event, payload, ref}."""
        async with asyncio.timeout(LIMIT_S):
            text = await self.connection.recv()
        frame = json.loads(text)
        if self._vsn == "1.0.0":
            return dict(frame)
        return dict(zip(("join_ref", "ref", "topic", "event", "payload"), frame, strict=True))

    async def change(self) -> Seen:
        """The next frame, which must be a change."""
        frame = await self.frame()
        assert frame["event"] == "postgres_changes", f"a {frame['event']} came: {frame['payload']}"
        return _seen(frame)

    async def refusal(self) -> str:
        """The reason of the next frame, which must be a refusal."""
        frame = await self.frame()
        assert (frame["event"], frame["payload"]["status"]) == ("phx_reply", "error"), frame
        return str(frame["payload"]["response"]["reason"])

    async def alive(self) -> None:
        """A heartbeat, whose answer must be the next frame: nothing else was on its way."""
        ref = await self.say("heartbeat", {}, "phoenix")
        frame = await self.frame()
        assert (frame["event"], frame["topic"], frame["ref"]) == ("phx_reply", "phoenix", ref)

    async def alive_at_last(self) -> None:
        """A heartbeat and its answer, whatever else comes before it."""
        ref = await self.say("heartbeat", {}, "phoenix")
        async with asyncio.timeout(LIMIT_S):
            # Looked at as text: what comes before may be nested too deeply for this side's parser.
            while '"phoenix"' not in (text := str(await self.connection.recv(decode=True))):
                pass
        assert f'"{ref}"' in text

    async def closed(self) -> tuple[int | None, str]:
        """The code and reason with which the gateway closes, having sent nothing more."""
        async with asyncio.timeout(LIMIT_S):
            await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason or ""


@asynccontextmanager
async def wire(
    gateway: GatewayProcess, key: str | None = None, vsn: str = "2.0.0"
) -> AsyncIterator[Wire]:
    """A socket that is open for the length of a block."""
    async with connect(gateway.websocket_url(key, vsn), compression=None) as connection:
        yield Wire(connection, vsn)


def role_key(role: str) -> str:
    """A key of a role that has no user: anon or service_role."""
    return mint(SECRET, UUID(int=0), datetime.now(UTC), role=role)


def cargo(event: str = "*", **extra: object) -> Frame:
    """The binding that asks for the table that the tests write into."""
    return {"event": event, "schema": "public", "table": "cargo", **extra}


class Follower:
    """A client that resumes. `numbers` are the feed_seqs that it was sent, in order."""

    def __init__(self, gateway: GatewayProcess, user: UUID) -> None:
        self._gateway = gateway
        self._token = token(user)
        self._since = 0
        self.numbers: list[int] = []
        self.rows: list[Frame] = []
        self.sockets = 0

    def move_to(self, gateway: GatewayProcess) -> None:
        """The next socket is to this one, as when a balancer has taken the first out."""
        self._gateway = gateway

    async def run(self) -> None:
        """Follow until cancelled, over as many sockets as it takes."""
        while True:
            try:
                async with wire(self._gateway) as socket:
                    self.sockets += 1
                    await self._listen(socket)
            except (ConnectionClosed, InvalidHandshake, OSError):
                await asyncio.sleep(0.05)

    async def _listen(self, socket: Wire) -> None:
        await socket.join(self._token, cargo(since=self._since))
        while True:
            frame = json.loads(await socket.connection.recv())
            _join_ref, _ref, _topic, event, payload = frame
            if event == "postgres_changes":
                self._take(_seen({"payload": payload}))
            elif event == "phx_reply" and payload["status"] == "error":
                await asyncio.sleep(0.05)
                await socket.join(self._token, cargo(since=self._since))
            else:
                assert event in ("phx_reply", "system"), payload
                assert payload.get("extension") != "resync", payload

    def _take(self, seen: Seen) -> None:
        assert seen.prev == self._since, f"{seen.seq} follows {seen.prev}, not {self._since}"
        self._since = seen.seq
        self.numbers.append(seen.seq)
        self.rows.append(seen.row)


@asynccontextmanager
async def follower(gateway: GatewayProcess, user: UUID) -> AsyncIterator[Follower]:
    """A client that follows its user's cargo for the length of a block."""
    one = Follower(gateway, user)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(one.run())
        yield one
        running.cancel()


def _seen(frame: Frame) -> Seen:
    data = frame["payload"]["data"]
    row = dict(data["old_record"] if data["type"] == "DELETE" else data["record"])
    seq, prev = row.pop("feed_seq"), row.pop("feed_prev")
    return Seen(
        frame["payload"]["ids"], data["type"], data["table"], row,
        data.get("old_record") if data["type"] == "UPDATE" else None, seq, prev,
    )  # fmt: skip
