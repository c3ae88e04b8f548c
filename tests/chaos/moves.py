"""What the names of tests/chaos/nemesis.py mean: each is done to a world for a while, and undone.

Each says to the timeline what it does, and excuses there the sockets that it ends.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec

from poller.simulated_chaos import Chaos, Rates
from tests.chaos import chosen
from tests.chaos.chosen import Move
from tests.chaos.client import Manners
from tests.chaos.database_moves import DATABASE
from tests.chaos.lines import LINES
from tests.chaos.machines import Gateway, Poller
from tests.chaos.nemesis import Step
from tests.chaos.world import World
from tests.facts import eventually

END_LIMIT_S = 15
MOST_CLIENTS = 16
FAILING = Rates(
    error=0.1, down=0.1, html=0.1, lost=0.1, truncate=0.05, slow=0.2, slow_s=0.5, forget=0.1,
    double=0.1, shuffle=0.2,
)  # fmt: skip


# --- gateways and their clients


@asynccontextmanager
async def gateway_killed(world: World, step: Step) -> AsyncIterator[None]:
    """kill -9, and started again, whether its Postgres is there or not."""
    gateway = chosen.gateway(world, step)
    with world.timeline.fault("kill -9", gateway.name):
        gateway.process.kill()
        yield
        await gateway.process.start_unready()


def frozen(which: Callable[[World, Step], Gateway | Poller]) -> Move:
    """SIGSTOP, and SIGCONT; another poller may have taken over meanwhile."""

    @asynccontextmanager
    async def move(world: World, step: Step) -> AsyncIterator[None]:
        one = which(world, step)
        with world.timeline.fault("SIGSTOP", one.name):
            one.process.freeze()
            try:
                yield
            finally:
                one.process.thaw()

    return move


@asynccontextmanager
async def gateway_ended(world: World, step: Step) -> AsyncIterator[None]:
    """SIGTERM, and started again."""
    gateway = chosen.gateway(world, step)
    with world.timeline.fault("SIGTERM", gateway.name):
        code = await gateway.process.stop()
        assert code == 0, f"{gateway.name} ended with {code}"
        yield
        await gateway.process.start_unready()


# --- service and pollers


@asynccontextmanager
async def service_killed(world: World, step: Step) -> AsyncIterator[None]:
    """kill -9, and started again."""
    service = world.services[0]
    with world.timeline.fault("kill -9", service.name):
        service.process.kill()
        yield
        service.process.launch()


@asynccontextmanager
async def service_ended(world: World, step: Step) -> AsyncIterator[None]:
    """SIGTERM, and started again."""
    service = world.services[0]
    with world.timeline.fault("SIGTERM", service.name):
        await eventually(service.process.is_up, END_LIMIT_S)  # before that SIGTERM just kills it
        service.process.terminate()
        await eventually(service.process.ended, END_LIMIT_S)
        assert service.process.exit_code == 0, f"{service.name}: {service.process.exit_code}"
        yield
        service.process.launch()


@asynccontextmanager
async def poller_killed(world: World, step: Step) -> AsyncIterator[None]:
    """kill -9, and started again."""
    poller = chosen.poller(world, step)
    with world.timeline.fault("kill -9", poller.name):
        poller.process.kill()
        yield
        poller.process.launch()


@asynccontextmanager
async def provider_fails(world: World, step: Step) -> AsyncIterator[None]:
    """Errors, HTML, lost and halved answers, lists that are not whole."""
    assert world.provider is not None
    side = world.provider.side
    with world.timeline.fault("fails now and then", "provider"):
        side.chaos = Chaos(msgspec.structs.replace(FAILING, seed=int(step.whom * 1000)))
        try:
            yield
        finally:
            side.chaos = Chaos()


# --- clients


@asynccontextmanager
async def comes_back(world: World, step: Step) -> AsyncIterator[None]:
    """A client that closes its socket in order and opens another."""
    await chosen.client(world, step).come_back()
    yield


@asynccontextmanager
async def vanishes(world: World, step: Step) -> AsyncIterator[None]:
    """A client whose socket is gone without a word, and that comes back."""
    chosen.client(world, step).vanish()
    yield


@asynccontextmanager
async def does_not_read(world: World, step: Step) -> AsyncIterator[None]:
    """A client that reads nothing for a while."""
    client = chosen.client(world, step)
    with world.timeline.fault(f"{client.record.client} reads nothing"), client.not_reading():
        yield


def newcomer(since: int | None) -> Move:
    """One more client, of any user."""

    @asynccontextmanager
    async def move(world: World, step: Step) -> AsyncIterator[None]:
        if len(world.clients) < MOST_CLIENTS:
            await world.client(chosen.user(world, step), manners=Manners(since), joined=False)
        yield

    return move


MOVES: Mapping[str, Move] = {
    "gateway killed": gateway_killed,
    "gateway frozen": frozen(chosen.gateway),
    "gateway ended": gateway_ended,
    "service killed": service_killed,
    "service ended": service_ended,
    "poller killed": poller_killed,
    "poller frozen": frozen(chosen.poller),
    "provider fails": provider_fails,
    "client comes back": comes_back,
    "client vanishes": vanishes,
    "client does not read": does_not_read,
    "newcomer from the start": newcomer(0),
    "newcomer from now": newcomer(None),
    **LINES,
    **DATABASE,
}
