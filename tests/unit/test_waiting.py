"""Who waits for what, who is woken by which ring, and how long: with no socket and no database."""

import asyncio
from uuid import UUID

import pytest

from service.limits import Slots, Turns
from service.problems import Problem
from service.waiting import FEEDS, WORK, Doorbell, names_in, settled, while_there

ALICE, BOB = UUID(int=1), UUID(int=2)
LONG_S = 30.0


@pytest.mark.parametrize(
    ("channel", "payload", "names"),
    [
        (FEEDS, f"{ALICE}:42", [f"u:{ALICE}"]),
        (FEEDS, f"{ALICE}:42,{BOB}:7", [f"u:{ALICE}", f"u:{BOB}"]),
        (FEEDS, "~service:1", []),
        (FEEDS, "*", None),
        (FEEDS, "", None),
        (FEEDS, "junk", None),
        (FEEDS, f"{ALICE}:42,junk", None),
        (WORK, f"a:{ALICE}", [f"a:{ALICE}"]),
        (WORK, f"a:{ALICE},r:12", [f"a:{ALICE}", "r:12"]),
        (WORK, "*", None),
        (WORK, f"a:{ALICE},x:1", None),
    ],
)
def test_a_ring_names_whom_it_concerns(channel: str, payload: str, names: list[str] | None) -> None:
    assert names_in(channel, payload) == names


class Fact:
    """Something that is read; `reads` counts how often."""

    def __init__(self) -> None:
        self.true = False
        self.reads = 0
        self.was_read = asyncio.Event()

    async def read(self) -> bool:
        self.reads += 1
        self.was_read.set()
        return self.true


def is_true(fact: bool) -> bool:
    return fact


async def wait_for(doorbell: Doorbell, fact: Fact, name: str, wait_s: float = LONG_S) -> bool:
    with doorbell.listening(name) as ear:
        return await settled(ear, fact.read, is_true, wait_s)


async def test_a_fact_that_holds_is_not_waited_for() -> None:
    fact = Fact()
    fact.true = True
    assert await wait_for(Doorbell(), fact, "r:1")
    assert fact.reads == 1


async def test_the_ring_that_belongs_wakes_and_another_does_not() -> None:
    doorbell, fact = Doorbell(), Fact()
    waiting = asyncio.create_task(wait_for(doorbell, fact, "r:1"))
    await fact.was_read.wait()
    fact.true = True
    doorbell.notified(WORK, "r:2")
    await asyncio.sleep(0)
    assert fact.reads == 1
    doorbell.notified(WORK, "a:x,r:1")
    assert await asyncio.wait_for(waiting, 5)
    assert fact.reads == 2


async def test_what_rings_between_registering_and_reading_is_not_missed() -> None:
    doorbell, fact = Doorbell(), Fact()

    async def read_late() -> bool:
        found = await fact.read()
        if fact.reads == 1:
            fact.true = True
            doorbell.notified(WORK, "r:1")
        return found

    with doorbell.listening("r:1") as ear:
        assert await asyncio.wait_for(settled(ear, read_late, is_true, LONG_S), 5)


async def test_the_last_read_comes_when_the_time_is_up_although_nothing_rang() -> None:
    fact = Fact()
    waiting = asyncio.create_task(wait_for(Doorbell(), fact, "r:1", 0.05))
    await fact.was_read.wait()
    fact.true = True
    assert await waiting
    assert fact.reads == 2


async def test_without_a_wait_it_is_read_once() -> None:
    fact = Fact()
    assert not await wait_for(Doorbell(), fact, "r:1", 0)
    assert fact.reads == 1


async def test_junk_wakes_everybody_but_at_most_once_a_second() -> None:
    doorbell, fact = Doorbell(), Fact()
    waiting = asyncio.create_task(wait_for(doorbell, fact, "r:1"))
    await fact.was_read.wait()
    for _ in range(100):
        doorbell.notified(FEEDS, "*")
        await asyncio.sleep(0)
    assert fact.reads == 2
    fact.true = True
    # The second ring for everybody comes when the first second is over.
    assert await asyncio.wait_for(waiting, 5)
    assert fact.reads == 3


async def test_a_listener_that_is_back_wakes_everybody() -> None:
    doorbell, fact = Doorbell(), Fact()
    waiting = asyncio.create_task(wait_for(doorbell, fact, "u:1"))
    await fact.was_read.wait()
    fact.true = True
    await doorbell.ring_everybody()
    assert await asyncio.wait_for(waiting, 5)


async def test_a_process_that_stops_waits_for_nobody() -> None:
    doorbell, first, second = Doorbell(), Fact(), Fact()
    waiting = asyncio.create_task(wait_for(doorbell, first, "r:1"))
    await first.was_read.wait()
    doorbell.close()
    assert not await asyncio.wait_for(waiting, 5)
    assert not await asyncio.wait_for(wait_for(doorbell, second, "r:1"), 5)


async def test_who_hangs_up_is_not_waited_for() -> None:
    doorbell, fact = Doorbell(), Fact()
    gone = asyncio.Event()

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def wait() -> bool:
        with doorbell.listening("r:1") as ear:
            async with while_there(receive, ear):
                return await settled(ear, fact.read, is_true, LONG_S)

    waiting = asyncio.create_task(wait())
    await fact.was_read.wait()
    gone.set()
    assert not await asyncio.wait_for(waiting, 5)


def test_places_are_limited_for_each_user_and_in_all() -> None:
    slots = Slots(total=3, per_user=2)
    with slots.take(ALICE), slots.take(ALICE):
        assert not slots.free(ALICE)
        with pytest.raises(Problem) as refused, slots.take(ALICE):
            pass
        assert refused.value.code == "too_many_waiting"
        with slots.take(BOB):
            assert slots.in_use == 3
            with pytest.raises(Problem) as refused, slots.take(BOB):
                pass
            assert (refused.value.code, refused.value.headers) == (
                "unavailable",
                {"Retry-After": "1"},
            )
    assert (slots.in_use, slots.free(ALICE)) == (0, True)


async def test_turns_are_limited_for_each_user_and_not_waited_for_for_ever() -> None:
    turns = Turns(at_once=1, wait_s=0.05)
    async with turns.of(ALICE):
        async with turns.of(BOB):
            pass
        with pytest.raises(Problem, match="take long"):
            async with turns.of(ALICE):
                pass
    async with turns.of(ALICE):
        pass


async def test_a_turn_is_given_on() -> None:
    turns = Turns(at_once=1, wait_s=LONG_S)
    order: list[int] = []

    async def take(number: int) -> None:
        async with turns.of(ALICE):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(take(number) for number in range(5)))
    assert order == list(range(5))
