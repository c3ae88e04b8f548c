"""What db/triggers.sql promises of every user's feed, one behaviour a test."""

import uuid
from collections import Counter

import psycopg
import pytest

from tests.db_helpers import (
    ALICE,
    BOB,
    Connection,
    events_of,
    feed_of,
    make_activation,
    make_user,
    rows,
    value,
)
from tests.facts import eventually
from tests.fixtures.postgres import Database

CARGO = "create table cargo (id int primary key, owner uuid, note text, extra json)"


@pytest.fixture
async def cargo(db: Connection) -> Connection:
    """A watched table of somebody else's, beside those of Sonnette."""
    await db.execute(CARGO)
    await db.execute("select sonnette.watch('cargo', 'owner')")
    return db


async def test_numbers_begin_at_one_and_have_no_gap(cargo: Connection) -> None:
    for number in range(5):
        await cargo.execute("insert into cargo values (%s, %s)", (number, ALICE))
    assert [seq for seq, _, _ in await events_of(cargo, ALICE)] == [1, 2, 3, 4, 5]


async def test_changes_of_a_restored_log_are_not_numbered_again(cargo: Connection) -> None:
    """A dump in another cluster: its transaction ids come again there, old rows keep theirs."""
    for number in range(3):
        await cargo.execute("insert into cargo values (%s, %s)", (number, ALICE))
    async with cargo.transaction():
        for table in ("changes", "numbers"):
            await cargo.execute(f"update sonnette.{table} set tx = pg_current_xact_id()")
        await cargo.execute("insert into cargo values (3, %s), (4, %s)", (ALICE, ALICE))
        await cargo.execute("insert into cargo values (5, %s)", (ALICE,))
    numbered = await rows(cargo, "select seq, n from sonnette.numbers order by seq")
    logged = await rows(cargo, "select n from sonnette.changes order by n")
    assert [row["seq"] for row in numbered] == [1, 2, 3, 4, 5, 6]
    assert [row["n"] for row in numbered] == [row["n"] for row in logged]


async def test_each_user_has_a_feed_of_their_own(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, %s), (2, %s), (3, %s)", (ALICE, BOB, ALICE))
    assert [seq for seq, _, _ in await events_of(cargo, ALICE)] == [1, 2]
    assert [seq for seq, _, _ in await events_of(cargo, BOB)] == [1]


async def test_an_update_carries_both_whole_rows(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, %s, 'a', '{\"x\":1}')", (ALICE,))
    await cargo.execute("update cargo set note = 'b'")
    change = (await feed_of(cargo, ALICE))[-1]
    owner = str(ALICE)
    assert change["op"] == "UPDATE"
    assert change["record"] == {"id": 1, "owner": owner, "note": "b", "extra": {"x": 1}}
    assert change["old"] == {"id": 1, "owner": owner, "note": "a", "extra": {"x": 1}}


async def test_a_delete_carries_the_whole_old_row(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, %s, 'a')", (ALICE,))
    await cargo.execute("delete from cargo")
    change = (await feed_of(cargo, ALICE))[-1]
    assert (change["op"], change["record"]) == ("DELETE", None)
    assert change["old"]["note"] == "a"


async def test_unchanged_rows_are_silent(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, %s, 'a'), (2, %s, 'b')", (ALICE, ALICE))
    await cargo.execute("update cargo set note = note")
    await cargo.execute("update cargo set note = 'b'")
    assert await events_of(cargo, ALICE) == [
        (1, "INSERT", "cargo"),
        (2, "INSERT", "cargo"),
        (3, "UPDATE", "cargo"),
    ]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_changed_owner_is_a_delete_and_an_insert(cargo: Connection, count: int) -> None:
    await cargo.execute(
        "insert into cargo select i, %s, 'a' from generate_series(1, %s) i", (ALICE, count)
    )
    await cargo.execute("update cargo set owner = %s, note = 'b' where id = 1", (BOB,))
    assert (await events_of(cargo, ALICE))[-1] == (count + 1, "DELETE", "cargo")
    assert await events_of(cargo, BOB) == [(1, "INSERT", "cargo")]
    assert (await feed_of(cargo, ALICE))[-1]["old"]["note"] == "a"
    assert (await feed_of(cargo, BOB))[-1]["record"]["note"] == "b"


async def test_a_changed_key_is_a_delete_and_an_insert(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    await cargo.execute("update cargo set id = 2")
    assert [op for _, op, _ in await events_of(cargo, ALICE)] == ["INSERT", "DELETE", "INSERT"]


async def test_a_null_owner_is_on_nobodys_feed(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, null)")
    await cargo.execute("update cargo set owner = %s", (ALICE,))
    await cargo.execute("update cargo set owner = null")
    await cargo.execute("delete from cargo")
    assert [op for _, op, _ in await events_of(cargo, ALICE)] == ["INSERT", "DELETE"]
    assert await value(cargo, "select count(*) from sonnette.changes") == 2


async def test_a_row_deleted_and_inserted_again_is_two_events(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    async with cargo.transaction():
        await cargo.execute("delete from cargo")
        await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    assert [op for _, op, _ in await events_of(cargo, ALICE)] == ["INSERT", "DELETE", "INSERT"]


async def test_truncate_of_a_watched_table_is_refused(cargo: Connection) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="TRUNCATE would change it"):
        await cargo.execute("truncate cargo")


async def test_a_rolled_back_savepoint_leaves_no_number(cargo: Connection) -> None:
    async with cargo.transaction():
        await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
        async with cargo.transaction(force_rollback=True):
            await cargo.execute("insert into cargo values (2, %s)", (ALICE,))
        await cargo.execute("insert into cargo values (3, %s)", (ALICE,))
    feed = await feed_of(cargo, ALICE)
    assert [(c["seq"], c["record"]["id"]) for c in feed] == [(1, 1), (2, 3)]


async def test_immediate_constraints_number_what_was_written_so_far(cargo: Connection) -> None:
    """What the API does before it answers: the number is known inside the transaction."""
    async with cargo.transaction():
        await cargo.execute("insert into cargo values (1, %s), (2, %s)", (ALICE, ALICE))
        await cargo.execute("set constraints all immediate")
        assert await value(cargo, "select last_seq from sonnette.feeds") == 2
        await cargo.execute("insert into cargo values (3, %s)", (ALICE,))
        await cargo.execute("update cargo set note = 'x' where id = 1")
    feed = await feed_of(cargo, ALICE)
    assert [(c["seq"], c["op"]) for c in feed] == [
        (1, "INSERT"),
        (2, "INSERT"),
        (3, "INSERT"),
        (4, "UPDATE"),
    ]


async def test_copy_merge_upsert_and_cascade_are_on_the_feed(db: Connection) -> None:
    await db.execute("create table port (id int primary key, owner uuid)")
    await db.execute(
        "create table ship (id int primary key, owner uuid,"
        " port int references port on delete cascade)"
    )
    for table in ("port", "ship"):
        await db.execute("select sonnette.watch(%s, 'owner')", (table,))
    async with db.cursor() as cursor, cursor.copy("copy port from stdin") as copy:
        await copy.write_row((1, ALICE))
    await db.execute("insert into ship values (1, %s, 1)", (ALICE,))
    await db.execute(
        "insert into ship values (1, %s, null) on conflict (id) do update set port = null", (BOB,)
    )
    await db.execute(
        "merge into ship using (values (1), (2)) as v (id) on ship.id = v.id"
        " when matched then update set port = 1"
        " when not matched then insert values (v.id, %s, 1)",
        (ALICE,),
    )
    await db.execute("delete from port")
    events = Counter((op, table) for _, op, table in await events_of(db, ALICE))
    assert events == {
        ("INSERT", "port"): 1,
        ("INSERT", "ship"): 2,
        ("UPDATE", "ship"): 2,
        ("DELETE", "port"): 1,
        ("DELETE", "ship"): 2,
    }


async def test_a_replicas_session_is_logged_too(cargo: Connection) -> None:
    await cargo.execute("set session_replication_role = replica")
    await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    assert await events_of(cargo, ALICE) == [(1, "INSERT", "cargo")]


async def test_partitions_are_watched_with_their_table(db: Connection) -> None:
    await db.execute("create table log (id int primary key, owner uuid) partition by range (id)")
    await db.execute("create table log_1 partition of log for values from (0) to (10)")
    await db.execute("select sonnette.watch('log', 'owner')")
    await db.execute("insert into log values (1, %s)", (ALICE,))
    await db.execute("insert into log_1 values (2, %s)", (ALICE,))
    assert await events_of(db, ALICE) == [(1, "INSERT", "log"), (2, "INSERT", "log")]


async def test_records_are_in_utc_whatever_the_writers_zone(db: Connection) -> None:
    user = await make_user(db)
    await db.execute("set timezone = 'Asia/Tokyo'")
    await make_activation(db, user)
    record = (await feed_of(db, user))[-1]["record"]
    assert record["created_at"].endswith("+00:00")


async def test_a_temporary_table_named_changes_swallows_nothing(cargo: Connection) -> None:
    await cargo.execute("create temporary table changes (like sonnette.changes)")
    await cargo.execute("create temporary table feeds (like sonnette.feeds)")
    await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    assert await events_of(cargo, ALICE) == [(1, "INSERT", "cargo")]
    assert await value(cargo, "select count(*) from pg_temp.changes") == 0


async def test_rings_hold_users_and_numbers_and_nothing_else(
    database: Database, cargo: Connection
) -> None:
    rings: list[psycopg.Notify] = []
    async with await psycopg.AsyncConnection.connect(database.dsn(), autocommit=True) as listener:
        listener.add_notify_handler(rings.append)
        await listener.execute("listen sonnette")
        users = sorted(str(uuid.uuid4()) for _ in range(300))
        await cargo.execute(
            "insert into cargo select i, u, 'secret'"
            " from unnest(%s::uuid[]) with ordinality x (u, i)",
            (users,),
        )

        async def heard() -> list[str]:
            await listener.execute("select 1")
            return [item for ring in rings for item in ring.payload.split(",")]

        assert sorted(await eventually(heard)) == [f"{user}:1" for user in users]
    assert all(len(ring.payload) <= 7900 for ring in rings)
    assert len(rings) == 3


async def test_a_rollback_rings_nothing_and_numbers_nothing(cargo: Connection) -> None:
    async with cargo.transaction(force_rollback=True):
        await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    assert await value(cargo, "select count(*) from sonnette.numbers") == 0
    assert await value(cargo, "select count(*) from sonnette.feeds") == 0


async def test_a_commit_that_would_not_wait_for_disk_is_made_to(cargo: Connection) -> None:
    async with cargo.transaction():
        await cargo.execute("set local synchronous_commit = off")
        await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
        await cargo.execute("set constraints all immediate")
        assert await value(cargo, "show synchronous_commit") == "local"


@pytest.mark.parametrize(
    ("table", "column", "sentence"),
    [
        ("create table t (id int, owner uuid)", "owner", "has no primary key"),
        (
            "create table t (id int primary key, owner text)",
            "owner",
            "no column owner of type uuid",
        ),
        ("create table t (id int primary key)", "owner", "no column owner of type uuid"),
        ("create view t as select 1 as id", "id", "is not a table"),
    ],
)
async def test_what_cannot_be_watched_is_refused_with_a_sentence(
    db: Connection, table: str, column: str, sentence: str
) -> None:
    await db.execute(table.encode())
    with pytest.raises(psycopg.Error, match=sentence):
        await db.execute("select sonnette.watch('t', %s)", (column,))


async def test_names_that_need_quotes_are_watched(db: Connection) -> None:
    await db.execute('create schema "Odd Schema"')
    await db.execute(
        'create table "Odd Schema"."it\'s a ""table""" ("the key" int, "Owner" uuid,'
        ' primary key ("the key"))'
    )
    await db.execute('select sonnette.watch(\'"Odd Schema"."it\'\'s a ""table"""\', \'Owner\')')
    table = 'insert into "Odd Schema"."it\'s a ""table""" values (1, %s)'
    await db.execute(table, (ALICE,))
    feed = await feed_of(db, ALICE)
    assert [(c["table_schema"], c["table_name"]) for c in feed] == [
        ("Odd Schema", 'it\'s a "table"')
    ]
    assert await rows(db, "select sonnette.unwatched()") == [], "as its owner, who has no USAGE"


async def test_nobody_else_can_log_into_a_feed(cargo: Connection) -> None:
    await cargo.execute("create role mallory; grant create on schema public to mallory")
    await cargo.execute("grant usage on schema sonnette to mallory")
    await cargo.execute("set role mallory")
    try:
        await cargo.execute("create table forged (id int, owner uuid, note text, extra json)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="log_insert_public_cargo"):
            await cargo.execute(
                "create trigger forge after insert on forged referencing new table as new_rows"
                " for each statement execute function sonnette.log_insert_public_cargo()"
            )
    finally:
        await cargo.execute("reset role; drop owned by mallory; drop role mallory")


async def test_unwatch_takes_a_table_off_the_feed(cargo: Connection) -> None:
    await cargo.execute("insert into cargo values (1, %s)", (ALICE,))
    await cargo.execute("select sonnette.unwatch('cargo')")
    await cargo.execute("truncate cargo")
    assert await events_of(cargo, ALICE) == [(1, "INSERT", "cargo")]
    assert await rows(cargo, "select sonnette.unwatched()") == []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("drop trigger sonnette_log_update on cargo", "cargo has lost its trigger"),
        ("alter table cargo disable trigger sonnette_log_insert", "is not ENABLE ALWAYS"),
        ("alter table cargo enable trigger sonnette_log_insert", "is not ENABLE ALWAYS"),
        ("drop trigger sonnette_number on sonnette.changes", "lost its trigger sonnette_number"),
        ("drop table cargo", "the watched table public.cargo does not exist"),
    ],
)
async def test_a_damaged_trigger_is_named(cargo: Connection, damage: str, sentence: str) -> None:
    assert await rows(cargo, "select sonnette.unwatched()") == []
    await cargo.execute(damage.encode())
    found = await rows(cargo, "select sonnette.unwatched() as problem")
    assert len(found) == 1
    assert sentence in found[0]["problem"]
