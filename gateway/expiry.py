"""Which channel's token runs out next. Pure: a heap that is asked with `now`."""

import heapq
import itertools
from datetime import datetime
from typing import Protocol

from gateway.channel import Channel


class Expiring(Protocol):
    """Who acts when a channel's token has run out."""

    def expire(self, channel: Channel, now: datetime) -> None:
        """Called once at or after the channel's `expires_at`, while it is open."""


class Expiries:
    """All channels by the time at which their token expires."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Expiring, Channel]] = []
        self._order = itertools.count()

    def watch(self, owner: Expiring, channel: Channel) -> None:
        """Look at the channel when its token expires; again after each refresh."""
        heapq.heappush(self._heap, (channel.expires_at, next(self._order), owner, channel))

    def run(self, now: datetime) -> None:
        """Expire what is over. A channel refreshed since then has a later entry of its own."""
        while self._heap and self._heap[0][0] <= now.timestamp():
            _, _, owner, channel = heapq.heappop(self._heap)
            if channel.open and channel.expires_at <= now.timestamp():
                owner.expire(channel, now)
