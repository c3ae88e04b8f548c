"""Proves with each change that none before it is missing, and ends where it cannot.

pip install websockets
python receipt.py "ws://127.0.0.1:8001/realtime/v1/websocket?vsn=2.0.0" TOKEN 0
"""

import asyncio
import contextlib
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def follow(url, token, since):
    bindings = [{"event": "*", "schema": "public", "since": since}]
    join = {"config": {"postgres_changes": bindings}, "access_token": token}
    async with connect(url) as socket:
        await socket.send(json.dumps(["1", "1", "realtime:receipt", "phx_join", join]))
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                _, _, _, event, payload = json.loads(text)
                if payload.get("status") == "error" or payload.get("extension") == "resync":
                    return f"not served from {since}: {payload}"
                if event == "postgres_changes":
                    data = payload["data"]
                    row = data.get("record") or data["old_record"]
                    if row["feed_prev"] != since:
                        return f"missing: {row['feed_seq']} follows {row['feed_prev']}, not {since}"
                    since = row["feed_seq"]
                    print(since, data["table"], data["type"], flush=True)
    return f"cut off after {since}: go on from there"


sys.exit(asyncio.run(follow(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
