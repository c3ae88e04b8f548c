"""Follows a user's numbers with PyPI `realtime`, unmodified, and misses nothing.

Its bindings have no place for a cursor, but a channel's `replay` is sent anew at each rejoin.
pip install realtime httpx; python resume.py http://127.0.0.1:8001 http://127.0.0.1:8000 TOKEN
"""

import asyncio
import sys
import time

import httpx
from realtime import AsyncRealtimeClient

gateway, service, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}


async def follow(cursor):
    news = asyncio.Queue()
    client = AsyncRealtimeClient(f"{gateway}/realtime/v1", token, max_retries=1000)
    channel = client.channel("my-numbers", {"config": {"broadcast": {"replay": cursor}}})
    channel.on_system(lambda said: news.put_nowait(None) if said.extension == "resync" else None)
    channel.on_postgres_changes("*", lambda p: news.put_nowait(p["data"]), table="activations")
    await channel.subscribe()
    while data := await news.get():  # None: the cursor cannot be served, all is to be read anew
        cursor["since"] = (data.get("record") or data["old_record"])["feed_seq"]
        print(cursor["since"], data["table"], data["type"].value, flush=True)
    await client.close()


while True:
    try:
        found = httpx.get(f"{service}/v1/activations?limit=100", headers=headers)
        page = found.raise_for_status().json()
        print("all", len(page["items"]), "at", page["feed_seq"], flush=True)
        asyncio.run(follow({"since": page["feed_seq"], "epoch": page["epoch"]}))
    except httpx.HTTPError:
        time.sleep(1)
