"""Server-Sent Events as text (HTML standard, section 9.2). Pure.

Promised to readers: `id:` is the feed_seq to resume after and nothing else; data is JSON on one
line; a comment keeps quiet connections open.
"""

import re
from typing import Literal

import msgspec

from service.payloads import FeedChange, Resync, StreamEnd

HEARTBEAT = b": heartbeat\n\n"
RETRY_FROM_MS = 1000
RETRY_SPREAD_MS = 2000
_LINE_ENDS = re.compile(rb"[\r\n]+")

EventName = Literal["change", "resync", "token_refused"]


def opening(spread: int, seq: int | None) -> bytes:
    """How long to wait before a reconnect, different for each, and where the stream begins.

    A block without data is no event, but EventSource keeps its id: one that is cut off before the
    first change resumes here instead of starting anew.
    """
    retry = b"retry: %d\n" % (RETRY_FROM_MS + spread % RETRY_SPREAD_MS)
    return retry + (b"" if seq is None else b"id: %d\n" % seq) + b"\n"


def change(changed: FeedChange) -> bytes:
    """One change of the feed."""
    return event("change", changed, changed.feed_seq)


def resync(lost: Resync) -> bytes:
    """The cursor could not be served: what follows is live from `feed_seq` on."""
    return event("resync", lost, lost.feed_seq)


def end(refusal: StreamEnd) -> bytes:
    """The last event of a stream whose token has ended."""
    return event("token_refused", refusal, None)


def event(name: EventName, data: msgspec.Struct, seq: int | None) -> bytes:
    """One event."""
    # A json column keeps the line ends that it was written with; in JSON they are but space.
    text = _LINE_ENDS.sub(b" ", msgspec.json.encode(data))
    number = b"" if seq is None else b"id: %d\n" % seq
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), number, text)
