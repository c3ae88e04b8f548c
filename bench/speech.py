"""What a socket of the benchmark says and understands, for the gateway and for the bare relay.

Pure. A change is recognised by its mark in the raw bytes: decoding JSON in the load generator would
cost more than it measures.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from process.tokens import mint

_MARK = re.compile(rb'"operator":"b(\d+)"')
_NUMBERS = re.compile(rb'"feed_seq":(\d+),"feed_prev":(\d+)')
_TOPIC = "realtime:bench"
PATH = "/realtime/v1/websocket?vsn=2.0.0"


class Refused(Exception):
    """The server answered the join with an error; the message is its frame."""


@dataclass(frozen=True)
class Speech:
    """`greeting` is sent after the upgrade; `joined` tells the frame that says: registered."""

    path: str
    greeting: Callable[[str, datetime], bytes]
    joined: Callable[[bytes], bool]
    mark: Callable[[bytes], int | None]
    heartbeat: bytes | None


def gateway(secret: str, ttl_s: int) -> Speech:
    """As supabase-js speaks, serializer 2.0.0: UPDATEs of this user's activations."""

    def greeting(user: str, now: datetime) -> bytes:
        return join(mint(secret, UUID(user), now, ttl_s), filter=f"user_id=eq.{user}")

    return Speech(
        path=PATH,
        greeting=greeting,
        joined=_joined,
        mark=_gateway_mark,
        heartbeat=b'[null,"2","phoenix","heartbeat",{}]',
    )


def join(token: str, **binding: object) -> bytes:
    """A phx_join for UPDATEs of activations; `binding` says more of it, or otherwise."""
    asked = {"event": "UPDATE", "schema": "public", "table": "activations", **binding}
    payload = {"config": {"postgres_changes": [asked]}, "access_token": token}
    return msgspec.json.encode(["1", "1", _TOPIC, "phx_join", payload])


def leave() -> bytes:
    """The phx_leave of that join."""
    return msgspec.json.encode(["1", "2", _TOPIC, "phx_leave", {}])


def numbers(text: bytes) -> tuple[int, int] | None:
    """feed_seq and feed_prev, where the frame is a change."""
    found = _NUMBERS.search(text)
    return (int(found[1]), int(found[2])) if found else None


def bare(_secret: str, _ttl_s: int) -> Speech:
    """As bench/relay.py listens: the user's id, then letters."""
    return Speech(
        path="/",
        greeting=lambda user, _now: user.encode(),
        joined=lambda text: text == b"ready",
        mark=lambda text: int(text[1:]) if text.startswith(b"b") else None,
        heartbeat=None,
    )


def _joined(text: bytes) -> bool:
    if b'"status":"error"' in text:
        raise Refused(text.decode())
    return b'"system"' in text and b'"status":"ok"' in text


def _gateway_mark(text: bytes) -> int | None:
    found = _MARK.search(text)  # the new row's; the old one stands behind it
    return int(found[1]) if found else None
