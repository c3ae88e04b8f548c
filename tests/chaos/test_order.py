"""Faults 28 to 33: what transactions do to each other's order, and to a row.

Rows that a test makes itself have negative numbers, which the writers leave alone.
"""

import time
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from tests.chaos import checker, truth
from tests.chaos.client import Client, Manners
from tests.chaos.looking import changes, served
from tests.chaos.record import ReadAnew, Rows
from tests.chaos.world import World
from tests.db_helpers import Connection, value
from tests.facts import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE = 8  # transactions that are open at once
MANY = 2000  # rows of one transaction
PUT = "insert into cargo values (%s, %s, %s)"
MARK = "update cargo set note = %s where id = %s"
GIVE = "update cargo set owner = %s where id = %s"
DROP = "delete from cargo where id = %s"
ANEW = """
    with gone as (delete from cargo where id = %s returning *)
    insert into cargo select id, owner, %s from gone
"""
WAITS = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"
INVERTED = """
    select count(*)::int from sonnette.numbers one join sonnette.numbers next using (user_id)
    where next.seq = one.seq + 1 and next.tx < one.tx and user_id = %s
"""

Told = tuple[str, int, object]


@pytest.fixture
def world(lasting_world: World) -> World:
    """One for all: nothing here harms it."""
    return lasting_world


def told(client: Client) -> list[Told]:
    """What it was told of the test's own rows: operation, id, note."""
    return [
        (one.op, int(str(one.row["id"])), one.row["note"])
        for one in changes(client)
        if one.table == "cargo" and int(str(one.row["id"])) < 0 and one.row["note"] != "fence"
    ]


async def two(world: World) -> tuple[UUID, UUID, Client, Client]:
    """Two users with a client each, and a writer who never rests; those before are gone."""
    world.clients.clear()
    async with await world.connected() as db:
        await db.execute("delete from cargo where id < 0")
    alice, bob = await world.user(), await world.user()
    hers, his = await world.client(alice), await world.client(bob)
    world.writer(alice, bob, pause_s=0.002)
    await world.more(20)
    return alice, bob, hers, his


async def test_fault_28_commits_late(world: World) -> None:
    """Open while others' changes are delivered; each late one comes behind what was seen by then.

    Where numbers are asked for early, as the API does, the next ones wait for that transaction.
    """
    alice, _bob, hers, _his = await two(world)
    async with AsyncExitStack() as stack:
        late = [await stack.enter_async_context(await world.connected()) for _ in range(LATE)]
        for number, one in enumerate(late, 1):
            await one.execute("begin")
            await one.execute(PUT, (-number, alice, "late"))
        world.timeline.say("postgres", f"{LATE} transactions are left open")
        at: dict[int, int] = {}
        for number in world.rng.sample(range(1, LATE + 1), LATE):
            await world.more(5)
            await served(world)
            at[-number] = hers.record.since or 0
            await late[number - 1].execute("commit")
        await served(world)
    seqs = {int(str(c.row["id"])): c.seq for c in changes(hers) if c.row.get("note") == "late"}
    assert seqs.keys() == at.keys()
    assert all(seqs[id] > seen for id, seen in at.items())

    await world.stop_writing()
    async with await world.connected() as early, await world.connected() as other:
        await early.execute("begin")
        await early.execute(PUT, (-100, alice, "numbered early"))
        await early.execute("set constraints all immediate")
        second = world.tasks.create_task(_commit(other, alice))
        await eventually(lambda: value(early, WAITS, other.info.backend_pid))
        await early.execute("commit")
        await second
    await world.holds()
    assert [id for _op, id, _note in told(hers)][-2:] == [-100, -101]


async def _commit(db: Connection, user: UUID) -> None:
    await db.execute(PUT, (-101, user, "numbered at commit"))


async def test_fault_29_one_row_in_inverted_order_of_transactions(world: World) -> None:
    """The older transaction changes the row after the younger one: on the feed as committed."""
    alice, _bob, hers, _his = await two(world)
    async with await world.connected() as older, await world.connected() as younger:
        await younger.execute(PUT, (-1, alice, "new"))
        for number in range(20):
            await older.execute("begin")
            first = await value(older, "select pg_current_xact_id()::text::bigint")
            await younger.execute("begin")
            assert await value(younger, "select pg_current_xact_id()::text::bigint") > first
            await younger.execute(MARK, (f"younger {number}", -1))
            await younger.execute("commit")
            await older.execute(MARK, (f"older {number}", -1))
            await older.execute("commit")
        assert await value(older, INVERTED, alice) > 0
    await world.holds()
    wanted = [f"{which} {number}" for number in range(20) for which in ("younger", "older")]
    assert [note for _op, _id, note in told(hers)] == ["new", *wanted]


async def test_fault_30_rows_and_cursor(world: World) -> None:
    """Who reads rows and cursor in one snapshot follows without a hole, whenever it begins.

    And who takes them from two, as nobody should, is found out by the checker.
    """
    alice, _bob, _hers, _his = await two(world)
    for _ in range(20):
        await world.more(3)
        async with await world.connected() as db:
            seq, rows = await truth.reading(db, alice)
        await _begins(world, alice, seq, rows)
    async with await world.connected() as db:
        _seq, rows = await truth.reading(db, alice)
        await db.execute(PUT, (-1, alice, "between two snapshots"))
        seq, _rows = await truth.reading(db, alice)
    careless = await _begins(world, alice, seq, rows)
    await world.settle()
    found = {one.rule for one in checker.findings([careless.record], await world.truth())}
    assert found == {"same in the end"}
    world.clients.remove(careless)
    await world.holds()


async def _begins(world: World, user: UUID, seq: int, rows: Rows) -> Client:
    """A client that has read these rows, and follows from there."""
    client = await world.client(user, manners=Manners(since=seq), joined=False)
    client.record.note(ReadAnew(time.monotonic(), seq, rows))
    return client


async def test_fault_31_savepoints_one_row_twice_and_many(world: World) -> None:
    """One transaction is on the feed as it was made, in one piece, without what it took back."""
    alice, bob, hers, his = await two(world)
    async with await world.connected() as db, db.transaction():
        await db.execute(PUT, (-1, alice, "first"))
        await db.execute(MARK, ("second", -1))
        await world.more(5)  # others commit meanwhile
        async with db.transaction(force_rollback=True):
            await db.execute(MARK, ("never", -1))
            async with db.transaction():
                await db.execute(PUT, (-2, bob, "never"))
        async with db.transaction():
            await db.execute(DROP, (-1,))
            async with db.transaction(force_rollback=True):
                await db.execute(PUT, (-1, alice, "never"))
            await db.execute(PUT, (-1, alice, "again"))
        await db.execute(
            "insert into cargo select -n, case n %% 2 when 0 then %s else %s end::uuid, 'many'"
            " from generate_series(10, %s) n",
            (alice, bob, 9 + MANY),
        )
        await db.execute("update cargo set note = 'all' where note = 'many'")
    await world.holds()
    ops = [("INSERT", "first"), ("UPDATE", "second"), ("DELETE", "second"), ("INSERT", "again")]
    assert [(op, note) for op, _id, note in told(hers)[:4]] == ops
    for client, parity in ((hers, 0), (his, 1)):
        many = [one for one in told(client) if one[1] <= -10]
        ids = {-n for n in range(10, 10 + MANY) if n % 2 == parity}
        half = len(ids)
        assert {id for op, id, note in many[:half] if (op, note) == ("INSERT", "many")} == ids
        assert {id for op, id, note in many[half:] if (op, note) == ("UPDATE", "all")} == ids
        assert len(many) == 2 * half
    [begin] = [c.seq for c in changes(hers) if c.row.get("note") == "first"]
    assert [c.seq for c in changes(hers) if c.row.get("note") in ("first", "second", "again")] == [
        begin, begin + 1, begin + 2, begin + 3,
    ]  # fmt: skip


async def test_fault_32_a_row_changes_owner(world: World) -> None:
    """It is gone for the one and there for the other; nobody's row is on nobody's feed.

    His client is away meanwhile, and hears of it when it is back.
    """
    alice, bob, hers, his = await two(world)
    apart = await world.client(bob, "his second", [world.gateways[0].address])
    async with await world.connected() as db:
        await db.execute(PUT, (-1, alice, "hers"))
        await db.execute(GIVE, (bob, -1))
        await db.execute(GIVE, (None, -1))
        await db.execute(GIVE, (alice, -1))
        with world.timeline.fault("nobody is let in"):
            world.gateways[0].door.refuse()
            await db.execute(
                "insert into cargo select -n, case n %% 2 when 0 then %s else %s end::uuid, 'swap'"
                " from generate_series(10, 29) n",
                (alice, bob),
            )
            await db.execute(
                "update cargo set owner = case owner when %s then %s else %s end::uuid"
                " where note = 'swap'",
                (alice, bob, alice),
            )
            await db.execute("update cargo set owner = %s, id = -2 where id = -1", (bob,))
            world.gateways[0].door.accept()
    await world.holds()
    assert apart.record.sockets == 2
    of_one = [(op, id) for op, id, note in told(hers) if note == "hers"]
    assert of_one == [("INSERT", -1), ("DELETE", -1), ("INSERT", -1), ("DELETE", -1)]
    for one in (his, apart):
        of_one = [(op, id) for op, id, note in told(one) if note == "hers"]
        assert of_one == [("INSERT", -1), ("DELETE", -1), ("INSERT", -2)]
    for client in (hers, his, apart):
        swapped = [op for op, _id, note in told(client) if note == "swap"]
        assert (swapped.count("INSERT"), swapped.count("DELETE"), len(swapped)) == (20, 10, 30)


async def test_fault_33_deleted_and_inserted_again(world: World) -> None:
    """With the same key: in a transaction, a statement, an upsert; by another owner."""
    alice, bob, hers, his = await two(world)
    async with await world.connected() as db:
        await db.execute(PUT, (-1, alice, "a"))
        async with db.transaction():
            await db.execute(DROP, (-1,))
            await db.execute(PUT, (-1, alice, "b"))
        await db.execute(DROP, (-1,))
        await db.execute(PUT, (-1, alice, "c"))
        await db.execute(PUT + " on conflict (id) do update set note = 'd'", (-1, alice, "never"))
        async with db.transaction():
            await db.execute(DROP, (-1,))
            await db.execute(PUT, (-1, bob, "e"))
        await db.execute(ANEW, (-1, "g"))
        async with db.transaction():  # two rows change their keys for each other's
            await db.execute(PUT, (-2, bob, "f"))
            await db.execute("update cargo set id = -3 where id = -1")
            await db.execute("update cargo set id = -1 where id = -2")
    await world.holds()
    assert told(hers) == [
        ("INSERT", -1, "a"), ("DELETE", -1, "a"), ("INSERT", -1, "b"), ("DELETE", -1, "b"),
        ("INSERT", -1, "c"), ("UPDATE", -1, "d"), ("DELETE", -1, "d"),
    ]  # fmt: skip
    assert told(his) == [
        ("INSERT", -1, "e"), ("DELETE", -1, "e"), ("INSERT", -1, "g"),
        ("INSERT", -2, "f"), ("DELETE", -1, "g"), ("INSERT", -3, "g"),
        ("DELETE", -2, "f"), ("INSERT", -1, "f"),
    ]  # fmt: skip
