"""Faults 16 to 18: the database itself dies, is away, or is not there yet."""

import asyncio
import os
import signal
from contextlib import suppress

import psycopg
import pytest

from tests.chaos.conftest import Worlds
from tests.chaos.looking import complains, metric
from tests.chaos.record import Failed
from tests.chaos.world import Gateway, World
from tests.db_helpers import value
from tests.facts import eventually

LAST = -1_000_000
AWAY_S = float(os.environ.get("AWAY_S", "0"))  # `make soak` says 30
AWAY_LIMIT_S = 40
LAUNCH_LIMIT_S = 20
LONGEST_PAUSES = 8  # so many tries, and the pauses between them are as long as they get: 3 s


@pytest.mark.parametrize("how", ["immediate shutdown", "kill -9", "kill -9 of a backend"])
async def test_fault_16_killed_between_commit_and_send(world: World, how: str) -> None:
    """What is committed is delivered after it, once; its numbers are given out to nobody else.

    The gateway's line stands still before the crash, so nothing of the last commits was sent. The
    last writer would not wait for the disk: the numbering makes it.
    """
    alice, bob = await world.user(), await world.user()
    for user in (alice, bob):
        await world.client(user)
    world.writer(alice, bob)
    await world.more(30)
    world.gateways[0].line.black_hole()
    await world.more(30)
    with world.timeline.fault(how):
        async with await world.connected() as hasty:
            await hasty.execute("set synchronous_commit = off")
            for id in range(LAST, LAST + 20):
                await hasty.execute("insert into cargo values (%s, %s)", (id, bob))
            await _die(world, how)
        world.gateways[0].line.heal()
    assert await eventually(lambda: kept(world), LAUNCH_LIMIT_S) == 20
    await world.more(30)
    await world.holds()
    assert [one.record.sockets for one in world.clients] == [1, 1]


async def _die(world: World, how: str) -> None:
    if how == "kill -9 of a backend":
        async with await world.connected() as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
        return
    world.postgres.crash() if how == "immediate shutdown" else world.postgres.kill()
    world.postgres.launch()


async def kept(world: World) -> int | None:
    """How many of the last writer's rows there are; none while the server recovers."""
    with suppress(psycopg.OperationalError):
        async with await world.connected() as db:
            between = "select count(*)::int from cargo where id between %s and %s"
            return int(await value(db, between, LAST, LAST + 19))
    return None


async def test_fault_17_away(world: World) -> None:
    """Until the pauses between two tries are as long as they get, then back; by itself."""
    alice, bob = await world.user(), await world.user()
    await world.client(alice)
    world.writer(alice, bob)
    await world.more(30)
    with world.timeline.fault("Postgres is away"):
        world.postgres.stop()
        late = await world.client(bob, joined=False)
        await asyncio.sleep(AWAY_S)
        await eventually(lambda: has_tried(world.gateways[0]), AWAY_LIMIT_S)
        assert {"cannot be reached" in str(event) for event in late.record.of(Failed)} == {True}
        world.postgres.launch()
    await world.more(30)
    await world.holds()


async def has_tried(gateway: Gateway) -> bool:
    """Whether it has tried so often that it does not try less often any more."""
    return await metric(gateway, "sonnette_gateway_read_failures_total") >= LONGEST_PAUSES


async def test_fault_18_not_up_yet(worlds: Worlds) -> None:
    """A gateway that is started first answers, refuses joins with a reason, and waits."""
    async with worlds(gateways=0) as world:
        alice = await world.user()
        world.postgres.stop()
        gateway = await world.add_gateway(start=False)
        await gateway.process.start_unready()
        early = await world.client(alice, joined=False)
        await eventually(lambda: early.record.of(Failed))
        assert await complains(gateway, "not listening")
        world.postgres.launch()
        world.writer(alice)
        await world.more(30)
        await world.holds()
