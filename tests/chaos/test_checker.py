"""The checker itself: each of its rules is broken once in a record, and once by a real process.

A rule that never finds anything proves nothing; so does a suite whose checker would let a gateway
pass that forgets, is deaf, swaps, doubles or tells one user of another.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tests.chaos.checker import BACK_LIMIT_S, Excuse, Feed, Logged, Truth, Write, findings
from tests.chaos.conftest import Worlds
from tests.chaos.record import (
    Changed,
    Connected,
    Ended,
    Event,
    Joined,
    ReadAnew,
    Record,
    Resynced,
    Row,
)
from tests.chaos.sabotage import sabotaged
from tests.chaos.world import World
from tests.chaos.writers import Writer
from tests.db_helpers import Connection

USER, OTHER = uuid4(), uuid4()
EPOCH = "here"


def cargo(id: int, owner: UUID = USER, note: str = "") -> Row:
    return {"id": id, "owner": str(owner), "note": note, "weight": Decimal("2.50")}


LOG = {
    1: Logged("INSERT", "cargo", cargo(1), None),
    2: Logged("INSERT", "cargo", cargo(2), None),
    3: Logged("UPDATE", "cargo", cargo(1, note="heavy"), cargo(1)),
    4: Logged("DELETE", "cargo", None, cargo(2)),
    5: Logged("INSERT", "cargo", cargo(3), None),
}
ROWS = {("cargo", "1"): cargo(1, note="heavy"), ("cargo", "3"): cargo(3)}
TRUTH = Truth({USER: Feed(EPOCH, 5, LOG, ROWS)}, {"w:1": Write(2, 2)})


def told(seq: int, prev: int | None = None, at_s: float = 2.0) -> Changed:
    logged = LOG[seq]
    row = logged.record or logged.old
    assert row is not None
    old = logged.old if logged.op == "UPDATE" else None
    prev = seq - 1 if prev is None else prev
    return Changed(at_s, seq, prev, logged.op, logged.table, row, old)


def joined(since: int | None, feed_seq: int = 5, at_s: float = 1.0) -> Joined:
    return Joined(at_s, since, feed_seq, EPOCH)


def record(*events: Event) -> Record:
    made = Record("a client", USER)
    for event in events:
        made.note(event)
    return made


GOOD = record(
    Connected(0, "g"), joined(0, 3), *map(told, (1, 2, 3)),
    Ended(3, "g", 1012, "restart"), Connected(4, "g"), joined(3, at_s=4), told(4), told(5),
)  # fmt: skip


def edited(edit: Callable[[list[Event]], object]) -> Record:
    """The good record, with its list of events edited."""
    events = list(GOOD.events)
    edit(events)
    return record(*events)


def test_a_good_record_is_found_good() -> None:
    assert findings([GOOD], TRUTH) == []


def test_a_client_that_read_anew_is_found_good() -> None:
    """What came before is of another history, of which the log knows nothing."""
    before = Joined(1, 0, 9, "there")
    anew = ReadAnew(3, 4, {("cargo", "1"): cargo(1, note="heavy")})
    one = record(
        Connected(0, "g"), before, told(1), told(2),
        Resynced(3, "other history", 3, EPOCH), anew, told(4), told(5),
    )  # fmt: skip
    assert findings([one], replace(TRUTH, resyncs=frozenset({"other history"}))) == []
    assert {found.rule for found in findings([one], TRUTH)} == {"no needless resync"}


FOREIGN = Changed(2, 5, 4, "INSERT", "cargo", cargo(3, OTHER))
EDITS: dict[str, tuple[str, Callable[[list[Event]], object]]] = {
    "lost": ("complete", lambda events: events.remove(told(2))),
    "lost at the end": ("complete", lambda events: events.pop()),
    "swapped": ("in order", lambda events: events.insert(3, events.pop(2))),
    "doubled": ("once", lambda events: events.append(told(5))),
    "hidden loss": ("complete", lambda events: events.__setitem__(slice(2, 4), [told(3, 0)])),
    "foreign": ("only own rows", lambda events: events.__setitem__(-1, FOREIGN)),
    "another text": (
        "as logged",
        lambda events: events.__setitem__(-1, replace(told(5), row=cargo(3, note="no"))),
    ),
    "a row that is gone": (
        "same in the end",
        lambda events: events.__setitem__(-2, replace(told(4), op="INSERT")),
    ),
    "never back": ("back without help", lambda events: events.append(Ended(9, "g", 1012, ""))),
    "back too late": (
        "back without help",
        lambda events: events.__setitem__(slice(6, 8), [joined(3, at_s=4 + BACK_LIMIT_S)]),
    ),
    "needless resync": (
        "no needless resync",
        lambda events: events.append(Resynced(9, "cursor too old", 5, EPOCH)),
    ),
    "cut without a word": (
        "disconnects explained",
        lambda events: events.__setitem__(5, Ended(3, "g", None, "reset")),
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_is_wrong_in_a_record_is_found(name: str) -> None:
    rule, edit = EDITS[name]
    assert rule in {found.rule for found in findings([edited(edit)], TRUTH)}


def test_what_is_wrong_in_the_database_is_found() -> None:
    doubled = replace(TRUTH, writes={"w:1": Write(2, 4)})
    lost = replace(TRUTH, writes={"w:1": Write(1, 0)})
    poor = replace(TRUTH, money=["balance is not the sum of the ledger"])
    rules = [[found.rule for found in findings([GOOD], one)] for one in (doubled, lost, poor)]
    assert rules == [["each write once"], ["each write once"], ["wallet equal to ledger"]]


def test_a_cut_is_excused_by_what_was_done_to_that_gateway_then() -> None:
    one = edited(lambda events: events.__setitem__(5, Ended(3, "g", None, "reset")))
    for excuse, excused in (
        (Excuse("g", 2.5, 3.5, "killed"), True),
        (Excuse("*", 2.5, 3.5, "killed"), True),
        (Excuse("h", 2.5, 3.5, "killed"), False),
        (Excuse("g", 20, 30, "killed"), False),
    ):
        found = findings([one], replace(TRUTH, excuses=[excuse]))
        assert (found == []) == excused


# --- the same by real processes


async def found_after(world: World, outage: bool = False, limit_s: float = 5) -> set[str]:
    """The broken rules, after some writing to a user with two clients."""
    user = await world.user()
    clients = [await world.client(user) for _ in range(2)]
    world.writer(user, pause_s=0.002)
    await world.more(20)
    if outage:
        with world.timeline.fault("cut", "gateway-0"):
            world.gateways[0].door.refuse()
            await world.more(20)
            world.gateways[0].door.accept()
    await world.more(20)
    with suppress(AssertionError):  # who lost something never comes to the end
        await world.settle(limit_s)
    assert any(client.record.seqs for client in clients)
    return {found.rule for found in await world.findings()}


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ("forgetful", "complete"),
        ("deaf inf", "complete"),
        ("swapping", "in order"),
        ("stammering", "once"),
    ],
)
async def test_a_gateway_that_does_wrong_is_found(worlds: Worlds, how: str, rule: str) -> None:
    async with worlds(gateways=0) as world:
        await world.add_gateway(process=sabotaged(*how.split()))
        assert rule in await found_after(world, outage=how == "forgetful")


async def test_a_gateway_that_tells_others_is_found(worlds: Worlds) -> None:
    async with worlds(gateways=0) as world:
        victim = await world.user()
        await world.add_gateway(process=sabotaged("indiscreet", str(victim)))
        world.writer(victim)
        assert "only own rows" in await found_after(world)


class Hasty(Writer):
    """Believes that a commit has failed, and does it again."""

    async def _insert(self, db: Connection, mark: str) -> int:
        await super()._insert(db, mark)
        return await super()._insert(db, mark)


async def test_a_doubled_commit_is_found(world: World) -> None:
    user = await world.user()
    await world.client(user)
    hasty = world.writer(user, kind=Hasty)
    await world.more(20)
    await world.settle()
    assert {found.rule for found in await world.findings()} == {"each write once"}
    assert hasty.committed


async def test_one_that_is_deaf_and_sweeps_is_found_good(worlds: Worlds) -> None:
    async with worlds(gateways=0) as world:
        await world.add_gateway(process=sabotaged("deaf", "0.5"))
        assert await found_after(world, limit_s=60) == set()


async def test_one_that_is_not_sabotaged_is_found_good(world: World) -> None:
    assert await found_after(world, outage=True, limit_s=60) == set()
