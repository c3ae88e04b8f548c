"""Follows a user's numbers with PyPI `realtime`, unmodified, and misses nothing.

Its bindings have no place for a cursor, but a channel's `replay` is sent anew at each rejoin.
pip install realtime httpx; python resume.py http://127.0.0.1:8001 http://127.0.0.1:8000 TOKEN
"""

import asyncio
import contextlib
import sys

import httpx
from realtime import AsyncRealtimeClient

gateway, service, token = sys.argv[1:]
web = httpx.AsyncClient(base_url=service, headers={"Authorization": f"Bearer {token}"})
cursor = {}


async def read_everything():
    while True:
        with contextlib.suppress(httpx.HTTPError):
            found = (await web.get("/v1/activations?limit=100")).raise_for_status().json()
            cursor.update(since=found["feed_seq"], epoch=found["epoch"])
            return print("all", len(found["items"]), "at", found["feed_seq"], flush=True)
        await asyncio.sleep(1)


async def main():
    await read_everything()
    news = asyncio.Queue()
    client = AsyncRealtimeClient(f"{gateway}/realtime/v1", token, max_retries=1000)
    channel = client.channel("my-numbers", {"config": {"broadcast": {"replay": cursor}}})
    channel.on_system(lambda said: news.put_nowait(None) if said.extension == "resync" else None)
    channel.on_postgres_changes("*", lambda p: news.put_nowait(p["data"]), table="activations")
    await channel.subscribe()
    while True:
        while (data := await news.get()) is None:
            await read_everything()
        seq = (data.get("record") or data["old_record"])["feed_seq"]
        if seq > cursor["since"]:  # else it was in the list already
            cursor["since"] = seq
            print(seq, data["table"], data["type"].value, flush=True)


asyncio.run(main())
