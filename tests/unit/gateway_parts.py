"""What the gateway's pure tests are made of: feeds in memory, and a client without a socket.

`Feeds` answers a read as db/feed.py does, from lists; `Client` is a session whose frames are kept.
Nothing here waits: a test says when a read begins and when its pages are delivered.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from db.feed import Change, Page, wire_epoch
from gateway import catalog
from gateway.hub import Hub
from gateway.places import Most, Place, Places
from gateway.protocol import serializer
from gateway.session import Limits, Session
from process.rates import Rate
from process.tokens import Verifier, mint
from tests.columns import table_row

SECRET = "a secret of more than thirty-two bytes"
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ALICE = "a11ce000-0000-4000-8000-000000000001"
BOB = "b0b00000-0000-4000-8000-000000000002"
TOPIC = "realtime:sms"
SUBSCRIBED = "Subscribed to PostgreSQL"
ACTIVATION = {
    "id": "int8", "user_id": "uuid", "status": "text", "sms_count": "int4", "price": "numeric",
}  # fmt: skip
ACTIVATIONS = table_row("public.activations", "user_id", ACTIVATION, key="id")
WALLETS = table_row(
    "public.wallets", "user_id", {"user_id": "uuid", "balance": "numeric"}, key="user_id"
)

JOINS = Rate(per_s=10, burst=1000)  # more than a test makes by accident

Frame = dict[str, Any]


def places(per_user: int = 100, per_address: int = 100, total: int = 100) -> Places:
    """Room for so many sockets."""
    return Places(Most(per_user, per_address, total, most_open=10_000))


def token(user: str = ALICE, ttl_s: int = 3600, secret: str = SECRET) -> str:
    """A user's token, issued now."""
    return mint(secret, UUID(user), NOW, ttl_s)


def claims_token(**claims: object) -> str:
    """A token with just these claims."""
    return jwt.PyJWS().encode(json.dumps(claims).encode(), SECRET.encode(), "HS256")


def role_token(role: str) -> str:
    """A token of a role without a user."""
    return claims_token(role=role, exp=int((NOW + timedelta(hours=1)).timestamp()))


def activations(event: str = "*", **extra: object) -> Frame:
    """The binding that asks for activations."""
    return {"event": event, "schema": "public", "table": "activations", **extra}


class Feeds:
    """Every user's feed: `rows[user]` is all that ever happened.

    Of it the first `pruned` are gone, as they should, and those in `missing`, as they never should.
    """

    def __init__(self, epoch: int = 1) -> None:
        self.epoch = UUID(int=epoch)
        self.rows: dict[str, list[Change]] = {}
        self.pruned: dict[str, int] = {}
        self.missing: dict[str, set[int]] = {}

    def add(
        self, user: str = ALICE, op: str = "UPDATE", table: str = "activations", **columns: object
    ) -> int:
        """One more change; its number."""
        rows = self.rows.setdefault(user, [])
        row = json.dumps({"id": 1, "user_id": user, "status": "pending", **columns})
        new, old = (None if op == "DELETE" else row), (None if op == "INSERT" else row)
        seq = len(rows) + 1
        rows.append(Change(seq, "2026-01-01T12:00:00.000Z", "public", table, op, new, old))
        return seq

    def read(self, due: Mapping[str, int], most: int = 100) -> list[Page]:
        """What db.feed.read answers at this moment."""
        return [self._page(user, after, most) for user, after in due.items()]

    def _page(self, user: str, after: int, most: int) -> Page:
        rows = self.rows.get(user, [])
        missing = self.missing.get(user, set())
        there = [row for row in rows if row.seq not in missing]
        kept = [row for row in there if row.seq > max(after, self.pruned.get(user, 0))][:most]
        return Page(user, after, len(rows), kept, complete=len(kept) < most)

    def turn(self, hub: Hub, most: int = 100) -> None:
        """One read for all who are due, and its delivery."""
        deliver(hub, self.read(hub.take_due(500), most))

    def wire_epoch(self, user: str = ALICE) -> str:
        """The history as the user sees it."""
        return wire_epoch(self.epoch, user)


def deliver(hub: Hub, pages: Iterable[Page]) -> None:
    """Hand over the pages of one read."""
    for page in pages:
        hub.deliver(page)


def hub_of(feeds: Feeds, *tables: catalog.Row) -> Hub:
    """A hub that knows this history, and these tables."""
    hub = Hub(on_due=lambda: None)
    hub.set_epoch(feeds.epoch)
    hub.set_catalog(catalog.build(tables or (ACTIVATIONS, WALLETS)))
    return hub


class Sent(list[str]):
    """What a client was sent. It is `full` when the test says so, or has `full_after` unread."""

    full = False
    full_after: int | None = None
    _unread = 0

    def send(self, frame: str) -> None:
        """Keep it."""
        self.append(frame)
        self._unread += 1
        if self.full_after is not None and self._unread >= self.full_after:
            self.full = True

    def read(self) -> None:
        """The client has read it all, and may be sent more; it keeps what it has got."""
        self._unread, self.full = 0, False


class Client:
    """One socket's session, by default speaking serializer 2.0.0; frames come out as dicts."""

    def __init__(
        self,
        hub: Hub,
        vsn: str = "2.0.0",
        apikey: str | None = None,
        limits: Limits = Limits(10, 10, JOINS),  # noqa: B008 - it is frozen
        verifier: Verifier | None = None,
        place: Place | None = None,
    ) -> None:
        speaks = serializer(vsn)
        assert speaks is not None
        self.vsn = vsn
        self.sent = Sent()
        self.refused: list[str] = []
        self.session = Session(
            speaks, self.sent, hub, verifier or Verifier(SECRET), limits,
            place or places().enter(None), apikey, self.refused.append,
        )  # fmt: skip
        self._refs = 0

    def say(
        self, event: str, payload: object, topic: str = TOPIC, now: datetime = NOW, **refs: object
    ) -> str:
        """One frame of the client's; its ref."""
        self._refs += 1
        ref = refs.get("ref", str(self._refs))
        if self.vsn == "1.0.0":
            frame: object = {"topic": topic, "event": event, "payload": payload, "ref": ref}
        else:
            frame = [refs.get("join_ref"), ref, topic, event, payload]
        self.session.receive(json.dumps(frame), now)
        return str(ref)

    def join(
        self,
        *bindings: Frame,
        access_token: str | None = None,
        topic: str = TOPIC,
        now: datetime = NOW,
    ) -> str:
        """phx_join with these bindings, as alice where no token is given; its ref."""
        payload = {
            "config": {"postgres_changes": list(bindings)},
            "access_token": token() if access_token is None else access_token,
        }
        return self.say("phx_join", payload, topic, now)

    def take(self) -> list[Frame]:
        """The frames since the last call: {join_ref, ref, topic, event, payload}."""
        frames = [self._parsed(json.loads(text)) for text in self.sent]
        self.sent.clear()
        return frames

    def events(self) -> list[str]:
        """The names of the frames since the last call."""
        return [frame["event"] for frame in self.take()]

    def changes(self) -> list[tuple[Sequence[int], int, int]]:
        """The changes since the last call, nothing else having come: (ids, feed_seq, feed_prev)."""
        return [_change(frame) for frame in self.take()]

    def refusal(self) -> str:
        """The reason of the one frame that came, a refusal."""
        [frame] = self.take()
        assert (frame["event"], frame["payload"]["status"]) == ("phx_reply", "error")
        return str(frame["payload"]["response"]["reason"])

    @staticmethod
    def _parsed(frame: Any) -> Frame:
        if isinstance(frame, dict):
            return frame
        return dict(zip(("join_ref", "ref", "topic", "event", "payload"), frame, strict=True))


def _change(frame: Frame) -> tuple[Sequence[int], int, int]:
    assert frame["event"] == "postgres_changes", f"a {frame['event']} came instead of a change"
    data = frame["payload"]["data"]
    row = data["old_record"] if data["type"] == "DELETE" else data["record"]
    return frame["payload"]["ids"], row["feed_seq"], row["feed_prev"]


def joined(client: Client, hub: Hub, feeds: Feeds, *bindings: Frame, topic: str = TOPIC) -> None:
    """Join, and take both answers; changes that came behind them stay to be taken."""
    client.join(*(bindings or (activations(),)), topic=topic)
    feeds.turn(hub)
    assert [json.loads(text)[3] for text in client.sent[:2]] == ["phx_reply", "system"]
    del client.sent[:2]


def turn(hub: Hub, feeds: Feeds, most: int = 100) -> None:
    """A ring for everybody, and as many reads as it takes to serve them."""
    hub.mark_all()
    while hub.anyone_due:
        feeds.turn(hub, most)


def told(client: Client) -> list[tuple[str, str, int | None]]:
    """The `system` messages since the last call: (extension, message, feed_seq)."""
    said = [frame["payload"] for frame in client.take() if frame["event"] == "system"]
    assert all(one["status"] == "ok" for one in said)
    return [(one["extension"], one["message"], one["feed_seq"]) for one in said]
