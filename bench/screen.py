"""What users see: a WebSocket for each at a real gateway, and when it showed which code."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench import speech
from bench.provided import Market
from bench.stack import free_address, gateway, new_secret
from process.tokens import mint


@dataclass
class Screen:
    """What the sockets showed: the first `received` of each activation, by the wall clock."""

    shown: dict[str, float] = field(default_factory=dict)
    joined: int = 0

    async def watch(self, socket: ClientConnection) -> None:
        """Read to the end of the socket."""
        async for frame in socket:
            said = msgspec.json.decode(frame)
            if said[3] == "postgres_changes":
                row = said[4]["data"]["record"]
                if row["status"] == "received" and row["sms_code"]:
                    self.shown.setdefault(row["id"], time.time())
            elif said[3] == "system":
                self.joined += 1


@asynccontextmanager
async def screens(one: Market) -> AsyncIterator[Screen]:
    """A socket for each user, all joined."""
    secret, address, screen = new_secret(), free_address(), Screen()
    async with gateway(one.gateway_dsn, address, secret), asyncio.TaskGroup() as tasks:
        sockets = []
        for user in one.users:
            token = mint(secret, user, datetime.now(UTC), 86_400)
            url = f"{address.url().replace('http', 'ws', 1)}{speech.PATH}&apikey={token}"
            socket = await connect(url, compression=None, max_size=None)
            await socket.send(speech.join(token, filter=f"user_id=eq.{user}").decode())
            tasks.create_task(screen.watch(socket))
            sockets.append(socket)
        while screen.joined < len(sockets):
            await asyncio.sleep(0.05)
        try:
            yield screen
        finally:
            for socket in sockets:
                await socket.close()
