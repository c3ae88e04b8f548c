"""A gateway with one part that does wrong, to see that the checker finds it; product code has no
such switch.

`python -m tests.chaos.sabotage HOW [MORE]`, configured by its environment as ever:

    forgetful        claims to resume, and goes on from now
    deaf S           drops every ring from the tenth on, and sweeps each S seconds
    swapping         sends each third change after the fourth
    stammering       sends each third change twice
    indiscreet USER  gives everybody the feed of that user
    blocking S       blocks its event loop for S seconds at each SIGUSR1
    mortal N         kills itself when it has read, and before it sends, the Nth time
    halfway N        kills itself in the midst of what it has read, at the Nth change
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

import gateway.__main__ as gateway_main
from db import feed
from gateway import relay, session
from gateway.channel import Binding, Channel
from gateway.frames import ChangeFrame
from gateway.hub import Hub
from gateway.metrics import Metrics
from gateway.relay import Pace, Relay
from process import entry
from process.settings import Settings
from tests.gateway_process import GatewayProcess

HEARD_FIRST = 10


class ForgetfulHub(Hub):
    """Claims to resume."""

    def add(self, channel: Channel) -> None:
        for binding in channel.bindings:
            binding.position = None
        super().add(channel)


class IndiscreetHub(Hub):
    """Everybody is the same user."""

    def add(self, channel: Channel) -> None:
        for binding in channel.bindings:
            binding.user = sys.argv[2]
            binding.asked_epoch = None
        super().add(channel)


class HalfwayHub(Hub):
    """Dies with some changes of a page sent and others not."""

    sent = 0

    def _fan_out(self, bindings: list[Binding], frame: ChangeFrame) -> Iterator[None]:
        self.sent += bool(bindings)
        if self.sent == int(sys.argv[2]):
            die()
        yield from super()._fan_out(bindings, frame)


class DeafRelay(Relay):
    """Hears at first, so that everybody joins, and then nothing."""

    def __init__(self, dsn: str, metrics: Metrics, _pace: Pace) -> None:
        sweep_s = float(sys.argv[2])
        super().__init__(dsn, metrics, Pace(catalog_s=0.5, sweep_s=sweep_s))
        self._heard = 0

    def on_ring(self, channel: str, payload: str) -> None:
        self._heard += 1
        if self._heard < HEARD_FIRST:
            super().on_ring(channel, payload)


class MortalRelay(Relay):
    """Dies between the read and the send."""

    reads = 0

    async def _read(
        self, connection: AsyncConnection[TupleRow], due: Mapping[str, int]
    ) -> list[feed.Page]:
        pages = await super()._read(connection, due)
        self.reads += any(page.changes for page in pages)
        if self.reads == int(sys.argv[2]):
            die()
        return pages


class SwappingChannel(Channel):
    """Holds each third change back until the next has gone."""

    __slots__ = ("_count", "_held")

    def changes(self, ids: Sequence[int], data: str) -> None:
        self._count = getattr(self, "_count", 0) + 1
        if self._count % 3 == 0:
            self._held = list(ids), data
            return
        super().changes(ids, data)
        if self._count % 3 == 1 and self._count > 3:
            super().changes(*self._held)


class StammeringChannel(Channel):
    """Says each third change twice."""

    __slots__ = ("_count",)

    def changes(self, ids: Sequence[int], data: str) -> None:
        self._count = getattr(self, "_count", 0) + 1
        for _ in range(1 + (self._count % 3 == 0)):
            super().changes(ids, data)


def die() -> None:
    """kill -9, from within."""
    os.kill(os.getpid(), signal.SIGKILL)


def with_hub(hub: type[Hub]) -> None:
    """Relays from now on have such a hub."""
    relay.Hub = hub  # type: ignore[attr-defined]


def with_relay(kind: type[Relay]) -> None:
    """The gateway is made with such a relay."""
    gateway_main.Relay = kind  # type: ignore[attr-defined]


def with_channel(kind: type[Channel]) -> None:
    """Joins make such channels."""
    session.Channel = kind  # type: ignore[attr-defined]


WAYS: Mapping[str, Callable[[], None]] = {
    "forgetful": lambda: with_hub(ForgetfulHub),
    "indiscreet": lambda: with_hub(IndiscreetHub),
    "halfway": lambda: with_hub(HalfwayHub),
    "deaf": lambda: with_relay(DeafRelay),
    "mortal": lambda: with_relay(MortalRelay),
    "swapping": lambda: with_channel(SwappingChannel),
    "stammering": lambda: with_channel(StammeringChannel),
    "blocking": lambda: None,
}


def sabotaged(*how: str) -> type[GatewayProcess]:
    """Such a gateway, for `World.add_gateway`."""

    class Sabotaged(GatewayProcess):
        MODULE = ("tests.chaos.sabotage", *how)

    return Sabotaged


async def serve(settings: Settings) -> None:
    """As the gateway does, but for the one part."""
    if sys.argv[1] == "blocking":
        blocked_s = float(sys.argv[2])
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, time.sleep, blocked_s)
    WAYS[sys.argv[1]]()
    await gateway_main.serve(settings)


if __name__ == "__main__":
    sys.exit(entry.main(serve))
