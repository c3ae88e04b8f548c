"""A watched table whose own triggers change it once more: the feed is in the order of events."""

from collections.abc import Sequence

import psycopg
import pytest

from tests.db_helpers import ALICE, Connection, feed_of, rows

CARGO = """
    create table cargo (id int primary key, owner uuid, step int default 0);
    create function step() returns trigger language plpgsql as $$
    begin
        update cargo set step = new.step + 1 where id = new.id;
        return null;
    end $$;
    create function replace() returns trigger language plpgsql as $$
    begin
        delete from cargo where id = new.id;
        return new;
    end $$;
"""
STEP = """
    create trigger step after insert or update on cargo for each row when (new.step < 3)
    execute function step()
"""
ALL = """
    create function all_of_them() returns trigger language plpgsql as $$
    begin
        update cargo set step = 9 where step <> 9;
        return null;
    end $$;
    create trigger a after insert on cargo for each statement execute function all_of_them()
"""
REPLACE = "create trigger z before insert on cargo for each row execute function replace()"
OURS = """
    select t.tgname::text from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where t.tgrelid = 'cargo'::regclass and p.proname in ('note_place', 'put_nested_last')
"""


@pytest.fixture
async def cargo(db: Connection) -> Connection:
    """A table that is not watched yet, and functions for its triggers."""
    await db.execute(CARGO)
    return db


async def watched(db: Connection) -> None:
    await db.execute("select sonnette.watch('cargo', 'owner')")
    assert await rows(db, "select sonnette.unwatched()") == []


async def told(db: Connection) -> Sequence[tuple[str, int, int]]:
    """Operation, id and step of each change; whoever follows ends with the rows that there are."""
    shown: dict[int, object] = {}
    changes = await feed_of(db, ALICE)
    for change in changes:
        row = change["record"]
        if row is None:
            del shown[change["old"]["id"]]
        else:
            assert (row["id"] in shown) == (change["op"] == "UPDATE")
            shown[row["id"]] = row["step"]
    assert shown == {one["id"]: one["step"] for one in await rows(db, "select * from cargo")}
    assert [change["seq"] for change in changes] == list(range(1, len(changes) + 1))
    last = [(change["op"], change["record"] or change["old"]) for change in changes]
    return [(op, row["id"], row["step"]) for op, row in last]


async def test_a_row_trigger_that_changes_its_row_again_and_again(cargo: Connection) -> None:
    await cargo.execute(STEP)
    await watched(cargo)
    await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    steps = [("INSERT", 1, 0), ("UPDATE", 1, 1), ("UPDATE", 1, 2), ("UPDATE", 1, 3)]
    assert await told(cargo) == steps
    async with cargo.transaction():
        await cargo.execute("insert into cargo values (2, %s, 2), (3, %s, 2)", (ALICE, ALICE))
        await cargo.execute("update cargo set step = 2 where id = 1")
        await cargo.execute(
            "insert into cargo values (1, %s, 2), (4, %s, 2)"
            " on conflict (id) do update set step = excluded.step",
            (ALICE, ALICE),
        )
    assert len(await told(cargo)) == 4 + 4 + 2 + 4


async def test_what_a_trigger_does_before_a_row_stays_before_it(cargo: Connection) -> None:
    await cargo.execute(STEP)
    await cargo.execute(REPLACE)
    await watched(cargo)
    for _ in range(2):
        await cargo.execute("insert into cargo values (1, %s, 2)", (ALICE,))
    once = [("INSERT", 1, 2), ("UPDATE", 1, 3)]
    assert await told(cargo) == [*once, ("DELETE", 1, 3), *once]


async def test_a_statement_trigger_and_a_transaction_numbered_early(cargo: Connection) -> None:
    await cargo.execute(ALL)
    await watched(cargo)
    async with cargo.transaction():
        await cargo.execute("insert into cargo values (1, %s), (2, %s)", (ALICE, ALICE))
        await cargo.execute("set constraints all immediate")
        assert [op for op, _id, _step in await told(cargo)] == ["INSERT"] * 2 + ["UPDATE"] * 2


async def test_foreign_keys_that_change_a_row_twice(db: Connection) -> None:
    await db.execute("create table parts (id int primary key)")
    await db.execute("insert into parts select generate_series(1, 40)")
    await db.execute(
        "create table cargo (id int primary key, owner uuid, step int references parts"
        " on delete set null, other int references parts on delete set null)"
    )
    await watched(db)
    await db.execute(
        "insert into cargo select n, %s, n, 41 - n from generate_series(1, 40) n", (ALICE,)
    )
    await db.execute("delete from parts")
    assert len(await told(db)) == 40 + 80, "each version once, and none skipped"
    shown = {c["record"]["id"]: c["record"]["other"] for c in await feed_of(db, ALICE)}
    assert set(shown.values()) == {None}


async def test_a_foreign_key_that_leads_back_to_the_table(db: Connection) -> None:
    await db.execute(
        "create table cargo (id int primary key, owner uuid, step int"
        " references cargo on update cascade)"
    )
    await watched(db)
    await db.execute("insert into cargo values (1, %s, 1)", (ALICE,))
    await db.execute("update cargo set id = 2")
    assert (await told(db))[1:] == [("DELETE", 1, 1), ("INSERT", 2, 2)]
    await db.execute("insert into cargo values (3, %s, 2)", (ALICE,))
    await db.execute("update cargo set id = id + 10")
    assert await told(db)


async def test_a_partition_that_is_written_directly(db: Connection) -> None:
    await db.execute(CARGO.replace("step int default 0)", "step int) partition by range (id)"))
    await db.execute("create table cargo_1 partition of cargo for values from (0) to (9)")
    await db.execute(STEP)
    await watched(db)
    await db.execute("insert into cargo values (1, %s, 2)", (ALICE,))
    await db.execute("insert into cargo_1 values (2, %s, 2)", (ALICE,))
    assert [op for op, _id, _step in await told(db)] == ["INSERT", "UPDATE"] * 2


async def test_only_where_it_is_needed(cargo: Connection) -> None:
    """Other tables pay nothing for it, and nothing is left where the reason for it is gone."""
    await watched(cargo)
    assert await rows(cargo, OURS) == []
    await cargo.execute(STEP)
    await watched(cargo)
    await watched(cargo)
    assert len(await rows(cargo, OURS)) == 4
    await cargo.execute("drop trigger step on cargo")
    await watched(cargo)
    assert await rows(cargo, OURS) == []
    await cargo.execute(STEP)
    await watched(cargo)
    await cargo.execute("select sonnette.unwatch('cargo')")
    assert await rows(cargo, OURS) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await cargo.execute("set role sonnette_operator; select sonnette.forget_order('cargo')")
