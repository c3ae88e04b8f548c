"""Follows a user's feed as Server-Sent Events; a reconnect names the last id, as EventSource does.

pip install httpx; python events.py http://127.0.0.1:8000 TOKEN
"""

import json
import sys
import time

import httpx

service, token = sys.argv[1:]
client = httpx.Client(base_url=service, headers={"Authorization": f"Bearer {token}"}, timeout=40)
seen = {}  # id: the number after which we go on; epoch: the history that it belongs to


def read_everything():
    found = client.get("/v1/activations?limit=100").raise_for_status().json()
    seen.update(id=str(found["feed_seq"]), epoch=found["epoch"])
    print("all", len(found["items"]), "at", found["feed_seq"], flush=True)


def listen():
    query, headers = {"epoch": seen["epoch"]}, {"Last-Event-ID": seen["id"]}
    with client.stream("GET", "/v1/events", params=query, headers=headers) as answer:
        event = {}
        for line in answer.raise_for_status().iter_lines():
            name, _, value = line.partition(": ")
            event[name] = value
            if line == "":  # the end of an event
                if event.get("event") == "resync":
                    seen.clear()
                    return
                if event.get("event") == "change":
                    change, seen["id"] = json.loads(event["data"]), event["id"]
                    print(change["feed_seq"], change["table"], change["type"], flush=True)
                event = {}


while True:
    try:
        listen() if seen else read_everything()
    except httpx.HTTPError:
        time.sleep(1)
