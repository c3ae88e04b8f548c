"""What the names of tests/chaos/nemesis.py mean: each is done to a world for a while, and undone.

Each says to the timeline what it does, and excuses there the sockets that it ends.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import LiteralString, TypeAlias
from uuid import UUID

import msgspec
import psycopg

from poller.simulated_chaos import Chaos, Rates
from tests.chaos.client import Client, Manners
from tests.chaos.machines import Gateway, Poller
from tests.chaos.nemesis import Step
from tests.chaos.postgres import OwnPostgres
from tests.chaos.world import World
from tests.db_helpers import value
from tests.facts import eventually
from tests.proxy import Proxy

Move: TypeAlias = Callable[[World, Step], AbstractAsyncContextManager[None]]
Way: TypeAlias = Callable[[World, Step], tuple[str, Proxy]]

SLOW_S = 0.15
MANY = 700
END_LIMIT_S = 15
MOST_CLIENTS = 16
FAILING = Rates(
    error=0.1, down=0.1, html=0.1, lost=0.1, truncate=0.05, slow=0.2, slow_s=0.5, forget=0.1,
    double=0.1, shuffle=0.2,
)  # fmt: skip
FOREIGN = ("*", "nonsense", "a:b,c", "~somebody:7", "00000000-0000-4000-8000-000000000000:9", "")
PRUNE: LiteralString = "select sonnette.prune('2 seconds', 500)"
INSERT: LiteralString = "insert into cargo values (%s, %s, %s)"
CHANGE_OWNER: LiteralString = """
    update cargo set owner = %s where id = (select min(id) from cargo where owner = %s)
"""


# --- gateways and their clients


@asynccontextmanager
async def gateway_killed(world: World, step: Step) -> AsyncIterator[None]:
    """kill -9, and started again, whether its Postgres is there or not."""
    gateway = _gateway(world, step)
    with world.timeline.fault("kill -9", gateway.name):
        gateway.process.kill()
        yield
        await gateway.process.start_unready()


@asynccontextmanager
async def gateway_frozen(world: World, step: Step) -> AsyncIterator[None]:
    """SIGSTOP, SIGCONT."""
    gateway = _gateway(world, step)
    with world.timeline.fault("SIGSTOP", gateway.name):
        gateway.process.freeze()
        try:
            yield
        finally:
            gateway.process.thaw()


@asynccontextmanager
async def gateway_ended(world: World, step: Step) -> AsyncIterator[None]:
    """SIGTERM, and started again."""
    gateway = _gateway(world, step)
    with world.timeline.fault("SIGTERM", gateway.name):
        code = await gateway.process.stop()
        assert code == 0, f"{gateway.name} ended with {code}"
        yield
        await gateway.process.start_unready()


def door(world: World, step: Step) -> tuple[str, Proxy]:
    """The way of a gateway's clients to it, and who is concerned."""
    gateway = _gateway(world, step)
    return gateway.name, gateway.door


def line(world: World, step: Step) -> tuple[str, Proxy]:
    """A gateway's way to Postgres; its clients are to notice nothing."""
    gateway = _gateway(world, step)
    return f"{gateway.name}'s line", gateway.line


def service_line(world: World, _step: Step) -> tuple[str, Proxy]:
    """The service's way to Postgres."""
    service = world.services[0]
    return f"{service.name}'s line", service.line


def poller_line(world: World, step: Step) -> tuple[str, Proxy]:
    """A poller's way to Postgres."""
    poller = _poller(world, step)
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
    poller = _poller(world, step)
    with world.timeline.fault("kill -9", poller.name):
        poller.process.kill()
        yield
        poller.process.launch()


@asynccontextmanager
async def poller_frozen(world: World, step: Step) -> AsyncIterator[None]:
    """SIGSTOP until the other one has taken over, perhaps; SIGCONT."""
    poller = _poller(world, step)
    with world.timeline.fault("SIGSTOP", poller.name):
        poller.process.freeze()
        try:
            yield
        finally:
            poller.process.thaw()


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


# --- the database


def postgres_away(how: str, end: Callable[[OwnPostgres], None]) -> Move:
    """Postgres is ended in some way, and launched again."""

    @asynccontextmanager
    async def move(world: World, step: Step) -> AsyncIterator[None]:
        with world.timeline.fault(how, "postgres"):
            end(world.postgres)
            try:
                yield
            finally:
                world.postgres.launch()

    return move


def at_once(do: Callable[[World, Step], Awaitable[None]]) -> Move:
    """A move that does not last; where the database is away just then it is left out."""

    @asynccontextmanager
    async def move(world: World, step: Step) -> AsyncIterator[None]:
        try:
            await do(world, step)
        except psycopg.OperationalError:
            world.timeline.say("nemesis", f"no database for: {step.move}")
        yield

    return move


@asynccontextmanager
async def lunch(world: World, step: Step) -> AsyncIterator[None]:
    """BEGIN; UPDATE; and off to lunch, with some rows of a user."""
    user = _user(world, step)
    world.timeline.say("operator", f"locks rows of {user} and goes to lunch")
    async with await world.connected() as db, db.transaction(force_rollback=True):
        await db.execute("select set_config('lock_timeout', '2s', true)")
        with suppress(psycopg.errors.LockNotAvailable):
            await db.execute("update cargo set note = 'lunch' where owner = %s", (user,))
        yield
    world.timeline.say("operator", "is back")


@asynccontextmanager
async def late_commit(world: World, step: Step) -> AsyncIterator[None]:
    """A transaction that has begun before many others, and commits after them."""
    async with await world.connected() as db, db.transaction():
        await db.execute(INSERT, (world.fresh_id(), _user(world, step), "late"))
        yield
    world.timeline.say("late one", "commits")


async def large(world: World, step: Step) -> None:
    """Many changes in one transaction."""
    world.timeline.say("writer", f"{MANY} changes in one transaction")
    user = _user(world, step)
    async with await world.connected() as db, db.transaction():
        for _ in range(MANY):
            await db.execute(INSERT, (world.fresh_id(), user, "large"))


async def owner_changed(world: World, step: Step) -> None:
    """A row goes from one user to the next."""
    one, other = _user(world, step), _user(world, replace(step, whom=1 - step.whom - 1e-9))
    world.timeline.say("writer", f"gives a row of {one} to {other}")
    async with await world.connected() as db:
        await db.execute(CHANGE_OWNER, (other, one))


async def pruned(world: World, step: Step) -> None:
    """Whoever is away may find its cursor too old."""
    world.resyncs.add("cursor too old")
    async with await world.connected() as db:
        gone = await value(db, PRUNE)
    world.timeline.say("service", f"prunes {gone} changes")


async def another_history(world: World, step: Step) -> None:
    """As after a disk snapshot that was put back: every cursor is void."""
    world.resyncs.add("other history")
    world.timeline.say("operator", "new_epoch()")
    async with await world.connected() as db:
        await db.execute("select sonnette.new_epoch()")


async def foreign_rings(world: World, step: Step) -> None:
    """Whoever may connect may NOTIFY."""
    world.timeline.say("stranger", "rings with nonsense")
    async with await world.connected() as db:
        for payload in FOREIGN:
            await db.execute("select pg_notify('sonnette', %s)", (payload,))


async def listener_terminated(world: World, step: Step) -> None:
    """Of all gateways."""
    await world.terminate("sonnette gateway listener")


async def everybody_terminated(world: World, step: Step) -> None:
    """All sessions of Sonnette's."""
    await world.terminate("sonnette%")


# --- clients


@asynccontextmanager
async def comes_back(world: World, step: Step) -> AsyncIterator[None]:
    """A client that closes its socket in order and opens another."""
    await _client(world, step).come_back()
    yield


@asynccontextmanager
async def vanishes(world: World, step: Step) -> AsyncIterator[None]:
    """A client whose socket is gone without a word, and that comes back."""
    _client(world, step).vanish()
    yield


@asynccontextmanager
async def does_not_read(world: World, step: Step) -> AsyncIterator[None]:
    """A client that reads nothing for a while."""
    client = _client(world, step)
    with world.timeline.fault(f"{client.record.client} reads nothing"), client.not_reading():
        yield


def newcomer(since: int | None) -> Move:
    """One more client, of any user."""

    @asynccontextmanager
    async def move(world: World, step: Step) -> AsyncIterator[None]:
        if len(world.clients) < MOST_CLIENTS:
            await world.client(_user(world, step), manners=Manners(since), joined=False)
        yield

    return move


MOVES: Mapping[str, Move] = {
    "gateway killed": gateway_killed,
    "gateway frozen": gateway_frozen,
    "gateway ended": gateway_ended,
    "service killed": service_killed,
    "service ended": service_ended,
    "service cut off": treated("cut", service_line, Proxy.cut, nothing),
    "poller killed": poller_killed,
    "poller frozen": poller_frozen,
    "poller cut off": treated("cut", poller_line, Proxy.cut, nothing),
    "poller in a black hole": treated("black hole", poller_line, Proxy.black_hole, Proxy.heal),
    "provider fails": provider_fails,
    **{f"clients {name}": move for name, move in lines_treated(door).items()},
    **{f"database {name}": move for name, move in lines_treated(line).items()},
    "listener terminated": at_once(listener_terminated),
    "everybody terminated": at_once(everybody_terminated),
    "foreign rings": at_once(foreign_rings),
    "Postgres killed": postgres_away("kill -9", OwnPostgres.kill),
    "Postgres crashed": postgres_away("immediate shutdown", OwnPostgres.crash),
    "Postgres restarted": postgres_away("fast shutdown", OwnPostgres.stop),
    "operator at lunch": lunch,
    "large transaction": at_once(large),
    "late commit": late_commit,
    "owner changed": at_once(owner_changed),
    "log pruned": at_once(pruned),
    "another history": at_once(another_history),
    "client comes back": comes_back,
    "client vanishes": vanishes,
    "client does not read": does_not_read,
    "newcomer from the start": newcomer(0),
    "newcomer from now": newcomer(None),
}


def _gateway(world: World, step: Step) -> Gateway:
    return world.gateways[step.chosen(len(world.gateways))]


def _poller(world: World, step: Step) -> Poller:
    return world.pollers[step.chosen(len(world.pollers))]


def _client(world: World, step: Step) -> Client:
    return world.clients[step.chosen(len(world.clients))]


def _user(world: World, step: Step) -> UUID:
    return world.users[step.chosen(len(world.users))]
