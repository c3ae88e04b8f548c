"""What the names of tests/chaos/nemesis.py mean: each is done to a world for a while, and undone.

Each says to the timeline what it does, and excuses there the sockets that it ends.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import LiteralString, TypeAlias
from uuid import UUID

import psycopg

from tests.chaos.client import Client, Manners
from tests.chaos.nemesis import Step
from tests.chaos.postgres import OwnPostgres
from tests.chaos.world import Gateway, World
from tests.db_helpers import value
from tests.proxy import Proxy

Move: TypeAlias = Callable[[World, Step], AbstractAsyncContextManager[None]]
Way: TypeAlias = Callable[[World, Step], tuple[str, Proxy]]

SLOW_S = 0.15
MANY = 700
MOST_CLIENTS = 16
FOREIGN = ("*", "nonsense", "a:b,c", "~somebody:7", "00000000-0000-4000-8000-000000000000:9", "")
PRUNE: LiteralString = "select sonnette.prune('2 seconds', 500)"
INSERT: LiteralString = "insert into cargo values (%s, %s, %s)"
CHANGE_OWNER: LiteralString = """
    update cargo set owner = %s where id = (select min(id) from cargo where owner = %s)
"""


# --- gateways and their clients


@asynccontextmanager
async def killed(world: World, step: Step) -> AsyncIterator[None]:
    """kill -9, and started again, whether its Postgres is there or not."""
    gateway = _gateway(world, step)
    with world.timeline.fault("kill -9", gateway.name):
        gateway.process.kill()
        yield
        await gateway.process.start_unready()


@asynccontextmanager
async def frozen(world: World, step: Step) -> AsyncIterator[None]:
    """SIGSTOP, SIGCONT."""
    gateway = _gateway(world, step)
    with world.timeline.fault("SIGSTOP", gateway.name):
        gateway.process.freeze()
        try:
            yield
        finally:
            gateway.process.thaw()


@asynccontextmanager
async def ended(world: World, step: Step) -> AsyncIterator[None]:
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


@asynccontextmanager
async def treated(
    what: str, way: Way, do: Callable[[Proxy], None], undo: Callable[[Proxy], None],
    world: World, step: Step,
) -> AsyncIterator[None]:  # fmt: skip
    """A line, as networks treat theirs."""
    who, proxy = way(world, step)
    with world.timeline.fault(what, who):
        do(proxy)
        try:
            yield
        finally:
            undo(proxy)


def lines_treated(way: Way) -> Mapping[str, Move]:
    """All that is done to lines."""

    def nothing(_proxy: Proxy) -> None:
        pass

    def made(what: str, do: Callable[[Proxy], None], undo: Callable[[Proxy], None]) -> Move:
        return partial(treated, what, way, do, undo)

    return {
        "cut off": made("cut", Proxy.cut, nothing),
        "reset": made("reset", Proxy.reset, nothing),
        "refused": made("refuses", Proxy.refuse, Proxy.accept),
        "in a black hole": made("black hole", Proxy.black_hole, Proxy.heal),
        "on a slow line": made(f"{SLOW_S} s slower", slow_down, speed_up),
    }


def slow_down(proxy: Proxy) -> None:
    """Everything takes longer."""
    proxy.delay_s = SLOW_S


def speed_up(proxy: Proxy) -> None:
    """As usual."""
    proxy.delay_s = 0


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
    "gateway killed": killed,
    "gateway frozen": frozen,
    "gateway ended": ended,
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


def _client(world: World, step: Step) -> Client:
    return world.clients[step.chosen(len(world.clients))]


def _user(world: World, step: Step) -> UUID:
    return world.users[step.chosen(len(world.users))]
