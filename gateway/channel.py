"""One joined channel: its bindings, and the frames that go out on it.

Pure: its outlet hands text to whoever owns the socket. Nothing is sent on a channel before its join
is answered, because clients drop what comes earlier.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.filters import Filter
from gateway.protocol import Message, Payload, Ref, Serializer

TOPIC_PREFIX = "realtime:"


class Outlet(Protocol):
    """Where a client's frames go out."""

    @property
    def full(self) -> bool:
        """The client has much to read: changes wait in the log until it has."""

    def send(self, frame: str) -> None:
        """Write a frame, now."""


@dataclass(slots=True, eq=False)
class Binding:
    """One postgres_changes subscription.

    `position`: the feed_seq up to which it is served; None until the next read finds "now".
    `sent`: the feed_seq last sent on it, which the next record carries as feed_prev.
    `asked_epoch`: the history that a cursor given at join belongs to.
    `columns`: what it selects of each row; None: all.
    `after_read`: how many reads had begun when it was added; only a later one can serve it.
    `halted`: it was passed over because its client has much to read.
    """

    id: int
    channel: "Channel"
    user: str
    event: str
    schema: str
    table: str
    filter: Filter | None
    position: int | None
    asked_epoch: str | None
    columns: frozenset[str] | None = None
    sent: int = 0
    after_read: int = 0
    admitted: bool = False
    halted: bool = False

    def takes(self, schema: str, table: str, op: str) -> bool:
        """True where the binding is about such changes at all; its filter has still to agree."""
        return (
            self.event in ("*", op) and self.table in ("*", table) and self.schema in ("*", schema)
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user's bindings begin, or begin again: behind `feed_seq` in the history `epoch`."""

    user: str
    feed_seq: int
    epoch: str


class Channel:
    """A topic that a socket has joined.

    `user` is the token's, None for service_role. `expires_at` is its exp, `asked_at` when the join
    came, in seconds since 1970; `issued_at` is its iat, where it has one.
    """

    __slots__ = (
        "_echo",
        "_join_ref",
        "_outlet",
        "_places",
        "_prefix",
        "_ref",
        "_resyncs",
        "_serializer",
        "asked_at",
        "bindings",
        "expires_at",
        "issued_at",
        "joined",
        "open",
        "topic",
        "user",
    )

    def __init__(
        self,
        serializer: Serializer,
        outlet: Outlet,
        join: Message,
    ) -> None:
        self._serializer = serializer
        self._outlet = outlet
        self._prefix = serializer.changes_prefix(join.topic)
        self._echo: list[msgspec.Raw] = []
        self._places: dict[str, Place] = {}
        self._resyncs: list[tuple[str, Place]] = []
        # Serializer 1.0.0 has no join_ref; there the join's ref is one.
        self._join_ref = join.ref if join.join_ref is None else join.join_ref
        self._ref = join.ref
        self.topic = join.topic
        self.user: str | None = None
        self.expires_at = 0.0
        self.issued_at: datetime | None = None
        self.asked_at = 0.0
        self.bindings: list[Binding] = []
        self.joined = False
        self.open = True

    @property
    def full(self) -> bool:
        """Its client has much to read: changes wait in the log until it has."""
        return self._outlet.full

    def bind(self, binding: Binding, echo: str) -> None:
        """Add a binding; the join's answer gives the client's own object back, with its id."""
        self.bindings.append(binding)
        self._echo.append(msgspec.Raw(f'{echo[:-1]},"id":{binding.id}}}'.encode()))

    def admit(self, place: Place) -> None:
        """Note from where a user's bindings are served, for the answer to the join."""
        if not self.joined:
            self._places[place.user] = place

    def confirm(self) -> None:
        """Answer the join; `system` says for each user from where the bindings are served."""
        self.joined = True
        self.reply(self._ref, "ok", {"postgres_changes": self._echo})
        self._echo = []
        for place in self._places.values():
            self._system("postgres_changes", "Subscribed to PostgreSQL", place)
        self._places = {}
        for message, place in self._resyncs:
            self._system("resync", message, place)
        self._resyncs = []

    def resync(self, message: str, place: Place) -> None:
        """Say that the cursor cannot be served: read everything anew, changes follow feed_seq."""
        if self.joined:
            self._system("resync", message, place)
        else:
            self._resyncs.append((message, place))

    def changes(self, ids: Sequence[int], data: str) -> None:
        """Send one change; `data` is JSON text."""
        numbers = ",".join(map(str, ids))
        self._outlet.send(
            f'{self._prefix}{{"ids":[{numbers}],"data":{data}}}{self._serializer.end}'
        )

    def reply(self, ref: Ref, status: str, response: Payload) -> None:
        """Answer a message of the client."""
        self._push(self._join_ref, ref, "phx_reply", {"status": status, "response": response})

    def refuse(self, reason: str) -> None:
        """Answer a join that cannot be served. Clients show the reason and try again."""
        self.open = False
        self.reply(self._ref, "error", {"reason": reason})

    def fail(self, code: int, reason: str) -> None:
        """Tell the client to join again: phx_error, because phx_close would be for ever."""
        self.open = False
        self._push(self._join_ref, self._join_ref, "phx_error", {"code": code, "reason": reason})

    def leave(self, ref: Ref) -> None:
        """Confirm a phx_leave."""
        self.open = False
        self.reply(ref, "ok", {})
        self._push(self._join_ref, self._join_ref, "phx_close", {})

    def _system(self, extension: str, message: str, place: Place) -> None:
        payload = {
            "status": "ok",
            "extension": extension,
            "message": message,
            "channel": self.topic.removeprefix(TOPIC_PREFIX),
            "feed_seq": place.feed_seq,
            "epoch": place.epoch,
        }
        if self.user is None:  # service_role may have bindings of several users
            payload["user_id"] = place.user
        self._push(self._join_ref, None, "system", payload)

    def _push(self, join_ref: Ref, ref: Ref, event: str, payload: Payload) -> None:
        self._outlet.send(self._serializer.encode(join_ref, ref, self.topic, event, payload))
