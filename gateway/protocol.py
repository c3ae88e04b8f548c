"""The Supabase Realtime wire format, both serializers: frames in, frames out, and nothing else.

Pure. 1.0.0 is an object with topic, event, payload and ref; 2.0.0 an array that has join_ref and
ref in front (docs/protocol.md). A serializer turns text or bytes into a `Message`, or raises
`BadFrame`, and builds the frames that the gateway sends.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

Ref = str | int | None
Payload = dict[str, Any]  # JSON as the client sent it; parsed further in gateway/joins.py

PHOENIX = "phoenix"
_KIND_USER_BROADCAST = 3


class BadFrame(Exception):
    """What came is no frame of this protocol. The sentence never repeats its content."""


@dataclass(frozen=True, slots=True)
class Message:
    """One frame from a client."""

    join_ref: Ref
    ref: Ref
    topic: str
    event: str
    payload: Payload


class Serializer(Protocol):
    """What the two versions of the protocol do differently."""

    vsn: str

    def decode(self, data: str | bytes) -> Message:
        """Parse a frame, or BadFrame."""

    def encode(self, join_ref: Ref, ref: Ref, topic: str, event: str, payload: object) -> str:
        """Build a frame."""

    def changes_prefix(self, topic: str) -> str:
        """What stands before the payload of a postgres_changes frame; a frame ends with `end`."""

    end: str


def dumps(value: object) -> str:
    """Compact JSON text."""
    return msgspec.json.encode(value).decode()


class _V1Frame(msgspec.Struct):
    topic: str
    event: str
    payload: Payload | None = None
    ref: Ref = None
    join_ref: Ref = None


_decode_v1 = msgspec.json.Decoder(_V1Frame).decode
_decode_v2 = msgspec.json.Decoder(tuple[Ref, Ref, str, str, Payload | None]).decode


class V1:
    """Serializer 1.0.0: what PyPI `realtime` and older JavaScript clients speak."""

    vsn = "1.0.0"
    end = "}"

    def decode(self, data: str | bytes) -> Message:
        if isinstance(data, bytes):
            raise BadFrame("serializer 1.0.0 has no binary frames")
        try:
            frame = _decode_v1(data)
        except (msgspec.DecodeError, RecursionError):
            raise BadFrame("not an object with topic, event, payload and ref") from None
        return Message(frame.join_ref, frame.ref, frame.topic, frame.event, frame.payload or {})

    def encode(self, join_ref: Ref, ref: Ref, topic: str, event: str, payload: object) -> str:
        return dumps({"topic": topic, "event": event, "payload": payload, "ref": ref})

    def changes_prefix(self, topic: str) -> str:
        return f'{{"topic":{dumps(topic)},"event":"postgres_changes","ref":null,"payload":'


class V2:
    """Serializer 2.0.0: what supabase-js speaks."""

    vsn = "2.0.0"
    end = "]"

    def decode(self, data: str | bytes) -> Message:
        if isinstance(data, bytes):
            return _binary_broadcast(data)
        try:
            join_ref, ref, topic, event, payload = _decode_v2(data)
        except (msgspec.DecodeError, RecursionError):
            raise BadFrame("not an array of join_ref, ref, topic, event and payload") from None
        return Message(join_ref, ref, topic, event, payload or {})

    def encode(self, join_ref: Ref, ref: Ref, topic: str, event: str, payload: object) -> str:
        return dumps([join_ref, ref, topic, event, payload])

    def changes_prefix(self, topic: str) -> str:
        return f'[null,null,{dumps(topic)},"postgres_changes",'


def _binary_broadcast(data: bytes) -> Message:
    """Kind 3, the one binary frame that clients send: five lengths, an encoding, five strings."""
    if len(data) < 7 or data[0] != _KIND_USER_BROADCAST:
        raise BadFrame("not a broadcast, the only binary frame there is")
    parts: list[str] = []
    start = 7
    for length in data[1:6]:
        part = data[start : start + length]
        if len(part) < length:
            raise BadFrame("a binary frame shorter than it says")
        parts.append(part.decode("utf-8", "replace"))
        start += length
    join_ref, ref, topic, event, _meta = parts
    # The broadcast itself is not offered; whoever answers needs only to know that it was one.
    return Message(join_ref or None, ref or None, topic, "broadcast", {"event": event})


_SERIALIZERS: tuple[Serializer, ...] = (V1(), V2())


def serializer(vsn: str | None) -> Serializer | None:
    """The serializer for a `vsn` parameter, 1.0.0 where there is none; None where it is unknown."""
    wanted = vsn or V1.vsn
    return next((known for known in _SERIALIZERS if known.vsn == wanted), None)
