"""The least that could carry a change from NOTIFY to a socket: what the gateway is compared with.

`python -m bench.relay DSN HOST PORT`. No log, no filter, no resume, no token: the payload itself is
sent to the sockets of the user that it names, by the same WebSocket server that the gateway uses.
"""

import sys
from collections import defaultdict

import psycopg
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

CHANNEL = "bench_bare"
BACKLOG = 4096


async def main(dsn: str, host: str, port: str) -> None:
    """Serve until killed."""
    sockets: dict[str, set[ServerConnection]] = defaultdict(set)

    async def handle(connection: ServerConnection) -> None:
        mine = sockets[str(await connection.recv())]
        mine.add(connection)
        await connection.send("ready")
        try:
            await connection.wait_closed()
        finally:
            mine.discard(connection)

    async with (
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as listening,
        serve(handle, host, int(port), compression=None, ping_interval=None, backlog=BACKLOG),
    ):
        await listening.execute(f"listen {CHANNEL}")
        print("ready", flush=True)
        async for letter in listening.notifies():
            user, _, mark = letter.payload.partition(" ")
            broadcast(sockets[user], mark)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
