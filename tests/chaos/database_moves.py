"""What is done to the database of a world in its mixed runs, and in it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import LiteralString

import psycopg

from tests.chaos import chosen
from tests.chaos.chosen import Move
from tests.chaos.nemesis import Step
from tests.chaos.postgres import OwnPostgres
from tests.chaos.world import World
from tests.db_helpers import value

MANY = 700
FOREIGN = ("*", "nonsense", "a:b,c", "~somebody:7", "00000000-0000-4000-8000-000000000000:9", "")
PRUNE: LiteralString = "select sonnette.prune('2 seconds', 500)"
INSERT: LiteralString = "insert into cargo values (%s, %s, %s)"
CHANGE_OWNER: LiteralString = """
    update cargo set owner = %s where id = (select min(id) from cargo where owner = %s)
"""


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
    user = chosen.user(world, step)
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
        await db.execute(INSERT, (world.fresh_id(), chosen.user(world, step), "late"))
        yield
    world.timeline.say("late one", "commits")


async def large(world: World, step: Step) -> None:
    """Many changes in one transaction."""
    world.timeline.say("writer", f"{MANY} changes in one transaction")
    user = chosen.user(world, step)
    async with await world.connected() as db, db.transaction():
        for _ in range(MANY):
            await db.execute(INSERT, (world.fresh_id(), user, "large"))


async def owner_changed(world: World, step: Step) -> None:
    """A row goes from one user to the next."""
    one, other = (
        chosen.user(world, step),
        chosen.user(world, replace(step, whom=1 - step.whom - 1e-9)),
    )
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


DATABASE: Mapping[str, Move] = {
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
}
