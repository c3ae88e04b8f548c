"""The webhooks that the simulated providers send: when, to whom, what, and again after a failure.

Pure: `now` is an argument; sending is simulator_posts.py's. As the providers document it, an SMS is
posted once for each try, anything but HTTP 200 in time is tried again later, and nobody signs
anything (docs/providers.md).
"""

import heapq
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

import msgspec

from poller.script import ScriptError, Words
from poller.simulated import Delivery, Denied, Number, SimulatedProvider
from poller.simulated_api import SENDER
from poller.simulated_manners import Row

Tries: TypeAlias = Annotated[
    tuple[Annotated[float, msgspec.Meta(ge=0, le=7200)], ...], msgspec.Meta(max_length=10)
]
MAX_WAITING = 100_000  # then the newest are dropped, as a provider that is overrun would


@dataclass(frozen=True)
class Policy:
    """A provider's promise: how long it waits for an answer, and when it tries again."""

    timeout_s: float
    retries_s: tuple[float, ...]


POLICIES: Mapping[str, Policy] = {
    "sms-activate": Policy(10, (60, 120, 300, 600, 900, 1200, 1800)),  # 8 tries within 2 hours
    "hero": Policy(3, (25,) * 7),
    "smsbower": Policy(10, (60, 300)),
}


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What POST /sim/webhook says: where to, in whose manner, and other times than usual."""

    url: Words
    dialect: str = "sms-activate"
    retries_s: Tries | None = None


@dataclass(frozen=True)
class Post:
    """One try to tell of one SMS. `tries` went before it."""

    dialect: str
    url: str
    body: bytes
    timeout_s: float
    retries_s: tuple[float, ...]
    tries: int = 0


def parse(body: bytes) -> Order:
    """An order from its JSON. ScriptError with a sentence."""
    try:
        order = msgspec.json.decode(body, type=Order)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScriptError(f"the webhook is wrong: {error}") from None
    if order.dialect not in POLICIES:
        raise ScriptError(f"dialect must be one of {', '.join(POLICIES)}: no other has webhooks")
    if not order.url.startswith(("http://", "https://")):
        raise ScriptError("url must begin with http:// or https://")
    return order


class Outbox:
    """Every post that is still to be sent. `on_change`: something may be due earlier now."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self._orders: dict[str, Order] = {}
        self._heap: list[tuple[datetime, int, Post | _Planned]] = []
        self._place = itertools.count()
        self.delivered = self.failed = self.given_up = 0

    def set(self, order: Order) -> None:
        """From now on that dialect's SMS are posted there."""
        self._orders[order.dialect] = order

    def clear(self) -> None:
        self._orders.clear()
        self._heap.clear()

    def planned(
        self, dialect: str, provider: SimulatedProvider, number: Number, sms: Delivery
    ) -> None:
        """An SMS that arrives at `sms.at`, unless the number is over before."""
        if dialect not in self._orders:
            return
        place = len(number.sms) + len(number.planned)
        for late_s in provider.chaos.posts(number.id, place):
            at = sms.at + timedelta(seconds=late_s)
            self._push(at, _Planned(dialect, provider, number.id, sms))

    def due(self, now: datetime) -> list[Post]:
        """What is to be sent now."""
        posts = []
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)[2]
            post = entry if isinstance(entry, Post) else self._post(entry, now)
            if post is not None:
                posts.append(post)
        return posts

    def next_at(self) -> datetime | None:
        return self._heap[0][0] if self._heap else None

    def answered(self, post: Post, http_status: int | None, now: datetime) -> None:
        """How a try went; None: no answer in time."""
        if http_status == 200:
            self.delivered += 1
            return
        self.failed += 1
        if post.tries >= len(post.retries_s):
            self.given_up += 1
            return
        at = now + timedelta(seconds=post.retries_s[post.tries])
        self._push(at, replace(post, tries=post.tries + 1))

    def _push(self, at: datetime, entry: "Post | _Planned") -> None:
        if len(self._heap) < MAX_WAITING:
            heapq.heappush(self._heap, (at, next(self._place), entry))
            self.on_change()

    def _post(self, planned: "_Planned", now: datetime) -> Post | None:
        order, policy = self._orders.get(planned.dialect), POLICIES[planned.dialect]
        try:
            number = planned.provider.find(planned.number, now)
        except Denied:
            return None
        if order is None or planned.sms not in number.sms:
            return None
        body = BODIES[planned.dialect](planned.provider, number, planned.sms)
        retries_s = policy.retries_s if order.retries_s is None else order.retries_s
        return Post(
            planned.dialect, order.url, json.dumps(body).encode(), policy.timeout_s, retries_s
        )


@dataclass(frozen=True)
class _Planned:
    dialect: str
    provider: SimulatedProvider
    number: str
    sms: Delivery


def _classic(provider: SimulatedProvider, number: Number, sms: Delivery) -> Row:
    at = (sms.at + provider.chaos.clock_offset).astimezone(UTC)
    return {
        "activationId": int(number.id),
        "service": number.service,
        "text": sms.text,
        "code": sms.code,
        "country": int(number.country),
        "receivedAt": at.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _hero(provider: SimulatedProvider, number: Number, sms: Delivery) -> Row:
    at = (sms.at + provider.chaos.clock_offset).astimezone(UTC)
    return {
        **_classic(provider, number, sms),
        "id": f"{number.id}{number.sms.index(sms)}",
        "activationId": number.id,
        "phoneFrom": SENDER,
        "receivedAt": at.isoformat(timespec="seconds"),
    }


BODIES: Mapping[str, Callable[[SimulatedProvider, Number, Delivery], Row]] = {
    "sms-activate": _classic,
    "hero": _hero,
    "smsbower": _classic,
}
