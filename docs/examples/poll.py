"""Follows a user's feed by long polls of /v1/changes, where no WebSocket gets through.

pip install httpx; python poll.py http://127.0.0.1:8000 TOKEN
"""

import sys
import time

import httpx

service, token = sys.argv[1:]
client = httpx.Client(base_url=service, headers={"Authorization": f"Bearer {token}"}, timeout=40)
cursor = {}


def read_everything():
    found = client.get("/v1/activations?limit=100").raise_for_status().json()
    cursor.update(after=found["feed_seq"], epoch=found["epoch"])
    print("all", len(found["items"]), "at", found["feed_seq"], flush=True)


def poll():
    answer = client.get("/v1/changes", params={"wait": 30, **cursor})
    if answer.status_code in (409, 410):  # the cursor cannot be served
        cursor.clear()
        return
    page = answer.raise_for_status().json()
    for change in page["changes"]:
        print(change["feed_seq"], change["table"], change["type"], flush=True)
    cursor.update(after=page["feed_seq"], epoch=page["epoch"])


while True:
    try:
        poll() if cursor else read_everything()
    except httpx.HTTPError:
        time.sleep(1)
