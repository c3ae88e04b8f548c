"""The property that everything rests on: whatever commits at once, each feed is 1, 2, 3, ...
without a gap, in commit order, and never visible out of order.

Hypothesis draws concurrent sessions of transactions (one user, many, both; savepoints, rollbacks,
numbers asked for early); an observer reads the feeds all the while and keeps every page it saw.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import feed
from tests.db_helpers import Connection, feed_of
from tests.fixtures.postgres import Database

USERS = 3


@dataclass(frozen=True)
class Step:
    """Insert `count` rows for a user, in a savepoint or not, which is kept or not."""

    user: int
    count: int
    savepoint: bool
    kept: bool


@dataclass(frozen=True)
class Transaction:
    """Steps that end in a commit or a rollback; `numbered_early` as the API does, just before."""

    steps: tuple[Step, ...]
    numbered_early: bool
    commits: bool


@dataclass
class Committed:
    """What one transaction left, and when its COMMIT began and returned."""

    began_at: float
    returned_at: float
    notes: list[str] = field(default_factory=list)


steps = st.builds(
    Step,
    user=st.integers(0, USERS - 1),
    count=st.integers(1, 3),
    savepoint=st.booleans(),
    kept=st.booleans(),
)
transactions = st.builds(
    Transaction,
    steps=st.lists(steps, min_size=1, max_size=4).map(tuple),
    numbered_early=st.booleans(),
    commits=st.booleans(),
)
sessions = st.lists(st.lists(transactions, min_size=1, max_size=4), min_size=2, max_size=6)


@pytest.fixture(scope="module")
def cargo_dsn(request: pytest.FixtureRequest) -> str:
    """One database for all examples; each has users of its own."""
    database: Database = request.getfixturevalue("module_database")
    with psycopg.connect(database.dsn(), autocommit=True) as db:
        db.execute("create table cargo (note text primary key, owner uuid)")
        db.execute("select sonnette.watch('cargo', 'owner')")
    return database.dsn()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=sessions)
def test_every_feed_is_a_gapless_prefix_in_commit_order(
    cargo_dsn: str, drawn: list[list[Transaction]]
) -> None:
    asyncio.run(_run(cargo_dsn, drawn))


async def _run(dsn: str, drawn: list[list[Transaction]]) -> None:
    users = sorted(uuid.uuid4() for _ in range(USERS))
    done = asyncio.Event()
    observer = asyncio.create_task(_observe(dsn, users, done))
    try:
        committed = await asyncio.gather(*(_session(dsn, users, one) for one in drawn))
    finally:
        done.set()
    seen = await observer
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as db:
        for user in users:
            await _check(db, user, [c for one in committed for c in one], seen[str(user)])


async def _session(
    dsn: str, users: Sequence[uuid.UUID], drawn: list[Transaction]
) -> list[Committed]:
    left: list[Committed] = []
    async with await psycopg.AsyncConnection.connect(dsn) as session:
        for transaction in drawn:
            await session.execute("select 1")  # so that a savepoint is one, and no transaction
            notes = [note for s in transaction.steps for note in await _step(session, users, s)]
            if transaction.numbered_early:
                await session.execute("set constraints all immediate")
            began_at = time.monotonic()
            if not transaction.commits:
                await session.rollback()
                continue
            await session.commit()
            left.append(Committed(began_at, time.monotonic(), notes))
    return left


async def _step(session: Connection, users: Sequence[uuid.UUID], step: Step) -> list[str]:
    kept = step.kept or not step.savepoint
    notes = [str(uuid.uuid4()) for _ in range(step.count)]
    if step.savepoint:
        async with session.transaction(force_rollback=not step.kept):
            await _insert(session, users[step.user], notes)
    else:
        await _insert(session, users[step.user], notes)
    return notes if kept else []


async def _insert(session: Connection, user: uuid.UUID, notes: list[str]) -> None:
    await session.execute("insert into cargo select unnest(%s::text[]), %s", (notes, user))


async def _observe(
    dsn: str, users: Sequence[uuid.UUID], done: asyncio.Event
) -> dict[str, list[str]]:
    """Follow all feeds as the gateway does; the records of each user in the order of delivery."""
    seen: dict[str, list[str]] = {str(user): [] for user in users}
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as reader:
        last_round = False
        while not last_round:
            last_round = done.is_set()
            for page in await feed.read(reader, {u: len(s) for u, s in seen.items()}, 1000):
                assert feed.lost_cursor(page, page.after) is None
                first = page.after + 1
                numbers = [change.seq for change in page.changes]
                assert numbers == list(range(first, first + len(numbers)))
                assert page.last_seq == page.after + len(numbers)
                seen[page.user] += [change.record or "" for change in page.changes]
    return seen


async def _check(
    db: Connection, user: uuid.UUID, committed: list[Committed], seen: list[str]
) -> None:
    found = await feed_of(db, user)
    place = {change["record"]["note"]: change["seq"] for change in found}
    assert sorted(place.values()) == list(range(1, len(found) + 1))
    assert len(seen) == len(found)
    mine = [[place[note] for note in one.notes if note in place] for one in committed]
    assert sum(map(len, mine)) == len(found), "a change that nobody committed, or one that is gone"
    for one, numbers in zip(committed, mine, strict=True):
        assert numbers == sorted(numbers), "the order within a transaction is not kept"
        for other, later in zip(committed, mine, strict=True):
            if numbers and later and one.returned_at < other.began_at:
                assert max(numbers) < min(later), "an earlier commit has a later number"
