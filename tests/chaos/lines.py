"""What is done to the lines of a world in its mixed runs, as networks treat theirs."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from tests.chaos import chosen
from tests.chaos.chosen import Move
from tests.chaos.nemesis import Step
from tests.chaos.world import World
from tests.proxy import Proxy

Way: TypeAlias = Callable[[World, Step], tuple[str, Proxy]]

SLOW_S = 0.15


def door(world: World, step: Step) -> tuple[str, Proxy]:
    """The way of a gateway's clients to it, and who is concerned."""
    gateway = chosen.gateway(world, step)
    return gateway.name, gateway.door


def line(world: World, step: Step) -> tuple[str, Proxy]:
    """A gateway's way to Postgres; its clients are to notice nothing."""
    gateway = chosen.gateway(world, step)
    return f"{gateway.name}'s line", gateway.line


def service_line(world: World, _step: Step) -> tuple[str, Proxy]:
    """The service's way to Postgres."""
    service = world.services[0]
    return f"{service.name}'s line", service.line


def poller_line(world: World, step: Step) -> tuple[str, Proxy]:
    """A poller's way to Postgres."""
    poller = chosen.poller(world, step)
    return f"{poller.name}'s line", poller.line


def treated(
    what: str, way: Way, do: Callable[[Proxy], None], undo: Callable[[Proxy], None]
) -> Move:
    """A line, as networks treat theirs."""

    @asynccontextmanager
    async def move(world: World, step: Step) -> AsyncIterator[None]:
        who, proxy = way(world, step)
        with world.timeline.fault(what, who):
            do(proxy)
            try:
                yield
            finally:
                undo(proxy)

    return move


def nothing(_proxy: Proxy) -> None:
    """What is over at once needs no undoing."""


def lines_treated(way: Way) -> Mapping[str, Move]:
    """All that is done to the lines of gateways."""
    return {
        "cut off": treated("cut", way, Proxy.cut, nothing),
        "reset": treated("reset", way, Proxy.reset, nothing),
        "refused": treated("refuses", way, Proxy.refuse, Proxy.accept),
        "in a black hole": treated("black hole", way, Proxy.black_hole, Proxy.heal),
        "on a slow line": treated(f"{SLOW_S} s slower", way, slow_down, speed_up),
    }


def slow_down(proxy: Proxy) -> None:
    """Everything takes longer."""
    proxy.delay_s = SLOW_S


def speed_up(proxy: Proxy) -> None:
    """As usual."""
    proxy.delay_s = 0


LINES: Mapping[str, Move] = {
    "service cut off": treated("cut", service_line, Proxy.cut, nothing),
    "poller cut off": treated("cut", poller_line, Proxy.cut, nothing),
    "poller in a black hole": treated("black hole", poller_line, Proxy.black_hole, Proxy.heal),
    **{f"clients {name}": move for name, move in lines_treated(door).items()},
    **{f"database {name}": move for name, move in lines_treated(line).items()},
}
