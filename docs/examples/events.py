"""Follows a user's feed as Server-Sent Events; a reconnect names the number that it is at.

pip install httpx; python events.py http://127.0.0.1:8000 TOKEN
"""

import json
import sys
import time

import httpx

service, token = sys.argv[1:]
client = httpx.Client(base_url=service, headers={"Authorization": f"Bearer {token}"}, timeout=40)
cursor = {}


def listen():
    if not cursor:  # at first, and where it cannot be served
        found = client.get("/v1/activations?limit=100").raise_for_status().json()
        cursor.update(after=found["feed_seq"], epoch=found["epoch"])
        print("all", len(found["items"]), "at", found["feed_seq"], flush=True)
    with client.stream("GET", "/v1/events", params=cursor) as answer:
        event = {}
        for line in answer.raise_for_status().iter_lines():
            name, _, event[name] = line.partition(": ")
            if line == "" and event.get("event") == "resync":
                cursor.clear()
                break
            if line == "" and event.get("event") == "change":
                change, cursor["after"] = json.loads(event["data"]), event["id"]
                print(change["feed_seq"], change["table"], change["type"], flush=True)
            event = event if line else {}  # an empty line ends it


while True:
    try:
        listen()
    except httpx.HTTPError:
        time.sleep(1)
