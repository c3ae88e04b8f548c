"""Faults 1 to 6: what may happen to the process that holds the sockets."""

import os
import signal
from pathlib import Path
from resource import RLIMIT_NOFILE, prlimit
from uuid import UUID

import pytest

from tests.chaos.client import Manners
from tests.chaos.conftest import Worlds
from tests.chaos.record import Failed
from tests.chaos.sabotage import sabotaged
from tests.chaos.world import World
from tests.facts import eventually

SOCKETS = 300
FROZEN_S = float(os.environ.get("FROZEN_S", "0"))  # `make soak` says 60
BLOCKED_S = 5
PATIENT = Manners(patience_s=60)
FEW_FILES = 2  # more than there are open


async def crowd(world: World, users: int, each: int, manners: Manners = PATIENT) -> list[UUID]:
    """Users with so many clients each, all joined, and writers who do not stop."""
    made = [await world.user() for _ in range(users)]
    for user in made * each:
        await world.client(user, manners=manners, joined=False)
    await eventually(lambda: all(client.record.joined for client in world.clients), 60)
    world.writer(*made)
    await world.more(20)
    return made


def open_files(pid: int) -> int:
    """How many files a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_fault_01_gateway_killed_under_many_sockets(world: World) -> None:
    """kill -9, and the crowd comes back. `python -m bench kill` does it with 10,000 of them."""
    await crowd(world, 30, SOCKETS // 30)
    with world.timeline.fault("kill -9", "gateway-0"):
        world.gateways[0].process.kill()
        await world.more(20)
        await world.gateways[0].process.start()
    await world.more(20)
    await world.holds()
    assert all(client.record.sockets >= 2 for client in world.clients)


async def test_fault_02_gateway_stopped_and_continued(world: World) -> None:
    """SIGSTOP until a client has given it up, and for as long as FROZEN_S says; then SIGCONT.

    How long it was frozen changes nothing: what it holds is older than the log, either way.
    """
    user = await world.user()
    impatient = await world.client(user, manners=Manners(patience_s=2))
    patient = await world.client(user, manners=Manners(patience_s=FROZEN_S + 60))
    world.writer(user)
    await world.more(20)
    with world.timeline.fault("SIGSTOP", "gateway-0"):
        world.gateways[0].process.freeze()
        await eventually(lambda: impatient.record.ends, 30)
        await eventually(lambda: impatient.record.of(Failed), 30)
        await world.for_s(FROZEN_S)
        world.gateways[0].process.thaw()
    await world.more(20)
    await world.holds()
    assert patient.record.sockets == 1, "whoever waits notices nothing"


@pytest.mark.parametrize("how", ["mortal", "halfway"])
async def test_fault_03_gateway_killed_between_read_and_send(worlds: Worlds, how: str) -> None:
    """It has read changes and dies before the first of them is sent, or with some of them sent."""
    async with worlds(gateways=0) as world:
        dying = await world.add_gateway(process=sabotaged(how, "30"))
        user = await world.user()
        for _ in range(3):
            await world.client(user)
        world.writer(user, pause_s=0.002)
        for again in range(2):
            with world.timeline.fault("dies with changes in hand", dying.name):
                await eventually(lambda: not dying.process.running, 30)
                if again:
                    dying.process.MODULE = ()
                await dying.process.start()
        await world.more(20)
        await world.holds()


async def test_fault_04_gateway_ended_while_another_takes_over(worlds: Worlds) -> None:
    async with worlds(gateways=2) as world:
        await crowd(world, 5, 4)
        first, second = world.gateways
        assert await first.process.stop() == 0
        await world.more(20)
        await eventually(lambda: all(client.record.joined for client in world.clients), 30)
        ends = [end for client in world.clients for end in client.record.ends]
        assert {(end.code, end.reason) for end in ends} == {(1012, "restart")}
        assert {end.gateway for end in ends} == {first.name}
        await first.process.start()
        assert await second.process.stop() == 0
        await world.more(20)
        await world.holds()


async def test_fault_05_event_loop_blocked(worlds: Worlds) -> None:
    """For longer than the canary's patience: nobody is cut off, and all that was written comes."""
    async with worlds(gateways=0) as world:
        blocked = await world.add_gateway(process=sabotaged("blocking", str(BLOCKED_S)))
        await crowd(world, 3, 3)
        for _ in range(2):
            world.timeline.say(blocked.name, f"its loop blocks for {BLOCKED_S} s")
            os.kill(blocked.process.pid, signal.SIGUSR1)
            before = len(world.clients[0].record.seqs)
            await world.more(20)
            await eventually(lambda: len(world.clients[0].record.seqs) > before + 5, 30)  # noqa: B023
        await world.holds()
        assert [client.record.sockets for client in world.clients] == [1] * len(world.clients)
        await eventually(lambda: world.is_ready(blocked), 30)


async def test_fault_06_no_file_descriptors_left(world: World) -> None:
    """Who is there is served, who comes has to wait, and is let in when there are files again."""
    gateway = world.gateways[0]
    user, *_ = await crowd(world, 3, 3)
    here, pid = len(world.clients), gateway.process.pid
    usual = prlimit(pid, RLIMIT_NOFILE)
    with world.timeline.fault("no more files", gateway.name):
        prlimit(pid, RLIMIT_NOFILE, (open_files(pid) + FEW_FILES, usual[1]))
        late = [await world.client(user, joined=False) for _ in range(FEW_FILES + 5)]
        await world.more(20)
        await eventually(lambda: any(one.record.of(Failed) for one in late), 30)
        await world.terminate("sonnette gateway listener")
        await world.more(20)
        assert all(client.record.sockets == 1 for client in world.clients[:here])
        prlimit(pid, RLIMIT_NOFILE, usual)
    await world.holds()
    await eventually(lambda: world.is_ready(gateway), 30)
