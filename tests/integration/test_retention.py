"""sonnette.prune: what is left of a feed is always its end without a gap, and nobody ever waits."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID, uuid4

import psycopg
import pytest

from db import feed
from tests.db_helpers import ALICE, BOB, Connection, rows, value
from tests.fixtures.postgres import Database

DAY = "interval '1 day'"
BESIDE_MS = 2000


@asynccontextmanager
async def connected(database: Database, role: str = "postgres") -> AsyncIterator[Connection]:
    dsn = database.dsn(role)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


async def pruned(db: Connection, most: int = 1000) -> int:
    """One batch of what is older than a day; how many changes that was."""
    return int(await value(db, f"select sonnette.prune({DAY}, %s)", most))


async def all_pruned(db: Connection, most: int = 1000) -> int:
    total = 0
    while done := await pruned(db, most):
        total += done
    return total


async def add(db: Connection, owner: UUID, count: int = 1) -> None:
    await db.execute(
        "insert into cargo select (select coalesce(max(id), 0) from cargo) + i, %s"
        " from generate_series(1, %s) i",
        (owner, count),
    )


async def age(db: Connection, where: str = "true", *parameters: object) -> None:
    """Make changes two days older."""
    await db.execute(
        f"update sonnette.changes set at = at - 2 * {DAY} where {where}".encode(), parameters
    )


async def kept(db: Connection, user: UUID) -> list[int]:
    """The numbers that a reader from the start would get."""
    [page] = await feed.read(db, {str(user): 0}, 10_000)
    return [change.seq for change in page.changes]


async def last_seq(db: Connection, user: UUID) -> int:
    return int(await value(db, "select last_seq from sonnette.feeds where user_id = %s", user) or 0)


async def assert_only_ends_are_left(db: Connection, users: Sequence[UUID]) -> None:
    for user in users:
        left, last = await kept(db, user), await last_seq(db, user)
        assert left == list(range(last - len(left) + 1, last + 1))


async def test_what_is_old_goes_and_what_is_young_stays(cargo_db: Connection) -> None:
    await add(cargo_db, ALICE, 5)
    await add(cargo_db, BOB, 2)
    await age(cargo_db)
    await add(cargo_db, ALICE, 3)
    assert await pruned(cargo_db) == 7
    assert await pruned(cargo_db) == 0
    assert await kept(cargo_db, ALICE) == [6, 7, 8]
    assert await kept(cargo_db, BOB) == []
    assert await value(cargo_db, "select count(*) from sonnette.changes") == 3


async def test_a_feed_of_which_nothing_is_left_goes_on_with_its_next_number(
    cargo_db: Connection,
) -> None:
    await add(cargo_db, ALICE, 5)
    await age(cargo_db)
    await all_pruned(cargo_db)
    assert await last_seq(cargo_db, ALICE) == 5
    await add(cargo_db, ALICE)
    assert await kept(cargo_db, ALICE) == [6]
    await age(cargo_db)
    assert await all_pruned(cargo_db) == 1


async def test_the_last_number_that_was_pruned_stays_as_a_mark(cargo_db: Connection) -> None:
    await add(cargo_db, ALICE, 5)
    await age(cargo_db)
    await add(cargo_db, ALICE, 1)
    for _ in range(2):
        await all_pruned(cargo_db, 2)
        assert await rows(cargo_db, "select seq from sonnette.numbers order by seq") == [
            {"seq": 5}, {"seq": 6},
        ]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_after_each_batch_only_the_ends_of_feeds_are_left(
    cargo_db: Connection, database: Database, seed: int
) -> None:
    """Transactions of several users that begin and commit in any order, aged in any order."""
    dice = random.Random(seed)
    users = [uuid4() for _ in range(3)]
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(connected(database)) for _ in range(4)]
        await write_at_random(writers, users, dice)
    young = f"select exists (select from sonnette.changes where at > now() - {DAY})"
    while await value(cargo_db, young):
        some = "at > now() - interval '1 day' and (n %% 7 = %s or n < %s)"
        await age(cargo_db, some, dice.randrange(7), dice.randrange(150))
        while await pruned(cargo_db, dice.choice([1, 3, 10])):
            await assert_only_ends_are_left(cargo_db, users)
    assert await value(cargo_db, "select count(*) from sonnette.changes") == 0


async def write_at_random(
    writers: Sequence[Connection], users: Sequence[UUID], dice: random.Random
) -> None:
    for number in range(60):
        writer = dice.choice(writers)
        if writer.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            await writer.execute("begin")
        await writer.execute(
            "insert into cargo select %s + i, %s from generate_series(1, %s) i",
            (number * 100, dice.choice(users), dice.randint(1, 4)),
        )
        if dice.random() < 0.5:
            await writer.execute("commit")
    for writer in dice.sample(writers, 4):
        await writer.execute("commit")


async def test_of_transactions_that_overlapped_the_later_number_does_not_go_first(
    cargo_db: Connection, database: Database
) -> None:
    """The one that began first, and so is first in the log, committed last."""
    async with connected(database) as first:
        await first.execute("begin")
        await first.execute("insert into cargo values (1000, %s)", (ALICE,))
        await add(cargo_db, ALICE)
        assert await pruned(cargo_db) == 0
        await first.execute("commit")
    await age(cargo_db, "record ->> 'id' = '1000'")
    assert await pruned(cargo_db) == 0, "its number is 2, and 1 is young"
    assert await kept(cargo_db, ALICE) == [1, 2]
    await age(cargo_db, "record ->> 'id' <> '1000'")
    assert await all_pruned(cargo_db, 1) == 2


async def test_a_transaction_that_is_open_meanwhile_leaves_no_hole(
    cargo_db: Connection, database: Database
) -> None:
    async with connected(database) as open_one:
        await open_one.execute("begin")
        await open_one.execute("insert into cargo values (1000, %s)", (ALICE,))
        await add(cargo_db, ALICE, 3)
        await age(cargo_db)
        assert await all_pruned(cargo_db) == 3
        await open_one.execute("commit")
    assert await kept(cargo_db, ALICE) == [4]
    await age(cargo_db)
    assert await all_pruned(cargo_db) == 1, "it is before all that was pruned already"


async def test_a_batch_begins_where_the_one_before_it_ended(cargo_db: Connection) -> None:
    await add(cargo_db, ALICE, 10)
    await age(cargo_db)
    begins = "select n from sonnette.log_begins()"
    places = []
    while await pruned(cargo_db, 3):
        places.append(await value(cargo_db, begins))
    assert places[:-1] == sorted(set(places[:-1]))
    await add(cargo_db, ALICE)
    await age(cargo_db)
    assert await all_pruned(cargo_db) == 1


async def test_a_log_that_was_taken_to_another_cluster_is_pruned_from_its_start(
    cargo_db: Connection,
) -> None:
    await add(cargo_db, ALICE, 3)
    await age(cargo_db)
    await cargo_db.execute("update sonnette.log_head set tx = '999999999999', n = 7")
    assert await all_pruned(cargo_db) == 3


async def test_changes_without_a_number_go_as_well(cargo_db: Connection) -> None:
    """Some of a log that was written without its numbering trigger, some whose number is gone."""
    await add(cargo_db, ALICE, 4)
    await cargo_db.execute("delete from sonnette.numbers where seq in (2, 4)")
    await cargo_db.execute("alter table sonnette.changes disable trigger sonnette_number")
    await add(cargo_db, BOB, 3)
    await cargo_db.execute("alter table sonnette.changes enable always trigger sonnette_number")
    await age(cargo_db)
    await add(cargo_db, BOB, 1)
    assert await all_pruned(cargo_db, 2) == 7
    assert await kept(cargo_db, BOB) == [1]


async def test_a_long_log_of_one_user_is_pruned_in_batches_of_about_the_size_asked_for(
    cargo_db: Connection,
) -> None:
    await add(cargo_db, ALICE, 100)
    await age(cargo_db)
    batches = []
    while done := await pruned(cargo_db, 10):
        batches.append(done)
    assert sum(batches) == 100
    assert max(batches) <= 11


# --- nobody waits


async def test_no_writer_waits_for_a_batch(cargo_db: Connection, database: Database) -> None:
    await add(cargo_db, ALICE, 5)
    await age(cargo_db)
    async with connected(database) as pruner:
        await pruner.execute("begin")
        assert await pruned(pruner) == 5
        await cargo_db.execute(f"set lock_timeout = {BESIDE_MS}".encode())
        await add(cargo_db, ALICE)
        assert await kept(cargo_db, ALICE) == [1, 2, 3, 4, 5, 6], "not committed yet"
        await pruner.execute("commit")
    assert await kept(cargo_db, ALICE) == [6]


async def test_a_batch_waits_for_no_writer(cargo_db: Connection, database: Database) -> None:
    """Not even for one that holds the user's feed, because it has numbered and not committed."""
    await add(cargo_db, ALICE, 5)
    await age(cargo_db)
    async with connected(database) as writer:
        await writer.execute("begin")
        await writer.execute("insert into cargo values (1000, %s)", (ALICE,))
        await writer.execute("set constraints all immediate")
        await cargo_db.execute(f"set lock_timeout = {BESIDE_MS}".encode())
        assert await pruned(cargo_db) == 5
        await writer.execute("commit")
    assert await kept(cargo_db, ALICE) == [6]


async def test_two_never_prune_at_the_same_time(cargo_db: Connection, database: Database) -> None:
    await add(cargo_db, ALICE, 5)
    await age(cargo_db)
    async with connected(database) as pruner:
        await pruner.execute("begin")
        assert await pruned(pruner, 2) == 3, "the first batch finds no mark, and takes one more"
        assert await pruned(cargo_db) == 0
        await pruner.execute("rollback")
    assert await all_pruned(cargo_db) == 5


async def test_the_service_may_prune_and_the_gateway_may_not(
    cargo_db: Connection, database: Database
) -> None:
    await add(cargo_db, ALICE, 5)
    await age(cargo_db)
    async with connected(database, "sonnette_gateway") as gateway:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await pruned(gateway)
    async with connected(database, "sonnette_service") as service:
        assert await pruned(service) == 5
