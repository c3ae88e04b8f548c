"""A plain WebSocket, and frames written by hand: no client library stands between test and wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.gateway_process import GatewayProcess

FRAME_LIMIT_S = 10


class RawSocket:
    """One socket that speaks one of the serializers; topics are given without `realtime:`."""

    def __init__(self, connection: ClientConnection, vsn: str) -> None:
        self._connection = connection
        self.vsn = vsn

    def frame(self, ref: str | None, topic: str, event: str, payload: str) -> str:
        """A frame of the server's as its text must be, for a channel joined with the ref "1".

        Serializer 1.0.0 names no join; heartbeats have none.
        """
        written, reference = json.dumps(topic), json.dumps(ref)
        if self.vsn == "1.0.0":
            return f'{{"topic":{written},"event":"{event}","payload":{payload},"ref":{reference}}}'
        join = "null" if topic == "phoenix" else '"1"'
        return f'[{join},{reference},{written},"{event}",{payload}]'

    async def send(self, ref: str, topic: str, event: str, payload: object) -> None:
        """A frame of the client's; the join has the ref "1"."""
        join = None if topic == "phoenix" else "1"
        if self.vsn == "1.0.0":
            frame: object = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        else:
            frame = [join, ref, topic, event, payload]
        await self._connection.send(json.dumps(frame))

    async def join(self, topic: str, token: str | None, *bindings: Mapping[str, object]) -> None:
        """phx_join, written as supabase-js writes it."""
        config = {
            "broadcast": {"ack": False, "self": False},
            "presence": {"key": "", "enabled": False},
            "postgres_changes": list(bindings),
            "private": False,
        }
        access = {} if token is None else {"access_token": token}
        await self.send("1", topic, "phx_join", {"config": config, **access})

    async def text(self) -> str:
        """The next frame, as it came."""
        async with asyncio.timeout(FRAME_LIMIT_S):
            frame = await self._connection.recv(decode=True)
        assert isinstance(frame, str)
        return frame

    async def payload(self, event: str) -> dict[str, Any]:
        """The payload of the next frame, which must be of this event."""
        frame = json.loads(await self.text())
        if self.vsn == "1.0.0":
            frame = [None, frame["ref"], frame["topic"], frame["event"], frame["payload"]]
        assert frame[3] == event, f"a {frame[3]} came instead of a {event}"
        assert isinstance(frame[4], dict)
        return frame[4]

    async def change(self) -> dict[str, Any]:
        """The `data` of the next frame, which must be a change."""
        data = (await self.payload("postgres_changes"))["data"]
        assert isinstance(data, dict)
        return data

    async def subscribe(self, topic: str, token: str, *bindings: Mapping[str, object]) -> None:
        """Join and wait for both answers."""
        await self.join(topic, token, *bindings)
        assert (await self.payload("phx_reply"))["status"] == "ok"
        assert (await self.payload("system"))["status"] == "ok"


@asynccontextmanager
async def raw_socket(gateway: GatewayProcess, key: str, vsn: str) -> AsyncIterator[RawSocket]:
    """A socket that is open for the length of a block."""
    async with connect(gateway.websocket_url(key, vsn), compression=None) as connection:
        yield RawSocket(connection, vsn)


def of_user(user: object, event: str = "*", **extra: object) -> dict[str, object]:
    """The binding that asks for a user's activations."""
    filter_ = f"user_id=eq.{user}"
    return {"event": event, "schema": "public", "table": "activations", "filter": filter_, **extra}
