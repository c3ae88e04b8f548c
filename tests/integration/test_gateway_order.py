"""Many writers at once, some of which roll back: each user's socket sees every change, in order."""

import asyncio
import random
from uuid import UUID, uuid4

import psycopg

from tests.db_helpers import Connection, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess
from tests.integration.gateway_wire import Follower, follower

WRITERS = 4
TRANSACTIONS = 40
Ids = dict[UUID, list[int]]


async def write(database: Database, users: list[UUID], first_id: int, seed: int) -> Ids:
    """Transactions of some rows for some users, with savepoints and rollbacks; what was kept."""
    rng = random.Random(seed)
    kept: Ids = {user: [] for user in users}
    numbers = iter(range(first_id, first_id + 1_000_000))
    async with await psycopg.AsyncConnection.connect(database.dsn(), autocommit=True) as db:
        for _ in range(TRANSACTIONS):
            rows = [(next(numbers), rng.choice(users)) for _ in range(rng.randrange(1, 6))]
            undone = [(next(numbers), rng.choice(users))]
            rolled_back = rng.random() < 0.2
            async with db.transaction(force_rollback=rolled_back):
                for row in rows:
                    await db.execute("insert into cargo values (%s, %s)", row)
                async with db.transaction(force_rollback=True):
                    await db.execute("insert into cargo values (%s, %s)", undone[0])
            for number, user in [] if rolled_back else rows:
                kept[user].append(number)
    return kept


async def caught_up(one: Follower, db: Connection, user: UUID) -> list[int]:
    """What the follower has seen, once that is as much as the feed has."""
    last = await value(db, "select last_seq from sonnette.feeds where user_id = %s", user)
    await eventually(lambda: len(one.numbers) >= last, 20)
    assert one.numbers == list(range(1, last + 1))
    return [row["id"] for row in one.rows]


async def test_concurrent_writers_of_the_same_users(
    gateway: GatewayProcess, database: Database, cargo_db: Connection
) -> None:
    users = [uuid4() for _ in range(3)]
    async with (
        follower(gateway, users[0]) as one,
        follower(gateway, users[0]) as twin,
        follower(gateway, users[1]) as other,
    ):
        kept = await asyncio.gather(
            *(write(database, users, (at + 1) * 1_000_000, at) for at in range(WRITERS))
        )
        seen = await caught_up(one, cargo_db, users[0])
        assert await caught_up(twin, cargo_db, users[0]) == seen
        of_other = await caught_up(other, cargo_db, users[1])
    for user, ids in ((users[0], seen), (users[1], of_other)):
        assert sorted(ids) == sorted(number for of in kept for number in of[user])
        for of in kept:  # what one writer committed first stands first
            mine = set(of[user])
            assert [number for number in ids if number in mine] == of[user]


async def test_a_transaction_that_began_first_and_commits_last_is_not_skipped(
    gateway: GatewayProcess, database: Database, cargo_db: Connection
) -> None:
    user = uuid4()
    async with (
        follower(gateway, user) as one,
        await psycopg.AsyncConnection.connect(database.dsn()) as slow,
    ):
        await slow.execute("insert into cargo values (1, %s)", (user,))
        await cargo_db.execute("insert into cargo values (2, %s)", (user,))
        await eventually(lambda: one.numbers == [1])
        await slow.commit()
        await eventually(lambda: one.numbers == [1, 2])
        assert [row["id"] for row in one.rows] == [2, 1]


async def test_one_transaction_over_many_users_reaches_them_all(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    users = [uuid4() for _ in range(300)]  # more than one NOTIFY holds
    async with follower(gateway, users[0]) as first, follower(gateway, users[-1]) as last:
        await cargo_db.execute(
            "insert into cargo select n, u from unnest(%s::uuid[]) with ordinality as of (u, n)",
            (users,),
        )
        await eventually(lambda: first.numbers == last.numbers == [1])
