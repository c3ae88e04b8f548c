"""Revocations in the database, and how a process learns of them: by ring, by looking, anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from db import migrate
from db.listener import Listener
from process.revocation_reader import LOOK_EVERY_S, REVOKED, RevocationReader
from process.revocations import Revocations
from tests.db_helpers import ALICE, BOB, Connection, value
from tests.facts import eventually
from tests.fixtures.postgres import Database

NAME = "a test's revocations"


async def operator(database: Database) -> Connection:
    return await psycopg.AsyncConnection.connect(database.dsn("sonnette_operator"), autocommit=True)


async def revoke(db: Connection, user: UUID) -> datetime:
    found: datetime = await value(db, "select sonnette.revoke(%s)", user)
    return found


# --- what the function promises


async def test_an_operator_revokes_and_is_told_from_when_on(database: Database) -> None:
    async with await operator(database) as psql:
        before = datetime.now(UTC)
        not_before = await revoke(psql, ALICE)
        assert before <= not_before <= datetime.now(UTC)


async def test_it_never_moves_back(db: Connection) -> None:
    late, early = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    for asked, in_force in ((early, early), (late, late), (early, late)):
        found = await value(db, "select sonnette.revoke(%s, %s)", ALICE, asked)
        assert found == in_force
    assert await revoke(db, ALICE) > late


async def test_a_transaction_left_open_revokes_until_the_call_and_not_until_its_begin(
    db: Connection,
) -> None:
    async with db.transaction():
        began = await value(db, "select now()")
        assert await revoke(db, ALICE) > began


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("null", "user_id"),
        ("gen_random_uuid(), null", "not_before"),
        ("gen_random_uuid(), now() + interval '1 minute'", "not_before"),
        ("gen_random_uuid(), 'infinity'", "not_before"),
    ],
)
async def test_a_value_that_cannot_be_is_refused_by_name(
    db: Connection, arguments: str, field: str
) -> None:
    with pytest.raises(psycopg.Error) as refused:
        await value(db, f"select sonnette.revoke({arguments})")
    assert refused.value.sqlstate == "SN422"
    assert field in str(refused.value.diag.message_detail)


async def test_a_time_that_no_program_can_read_is_refused(db: Connection) -> None:
    for asked in ("-infinity", "1999-12-31", "4000-01-01 BC"):
        with pytest.raises(psycopg.errors.CheckViolation):
            await value(db, "select sonnette.revoke(gen_random_uuid(), %s)", asked)


def test_a_downgrade_takes_it_and_an_upgrade_brings_it_again(database: Database) -> None:
    migrate.downgrade(database.dsn(), "0001")
    with psycopg.connect(database.dsn(), autocommit=True) as db:
        row = db.execute("select to_regclass('sonnette.revocations')").fetchone()
        assert row == (None,)
    migrate.upgrade(database.dsn())
    with psycopg.connect(database.dsn("sonnette_operator"), autocommit=True) as db:
        row = db.execute("select sonnette.revoke(gen_random_uuid()) <= now()").fetchone()
        assert row is not None


# --- how a process learns of it


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[tuple[RevocationReader, Revocations]]:
    """A reader that has read once, with the rights of a gateway."""
    known = Revocations()
    reader = RevocationReader(database.dsn("sonnette_gateway"), known, application_name=NAME)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reader.run())
        await eventually(lambda: known.known)
        yield reader, known
        running.cancel()


async def until_known(known: Revocations, user: UUID, timeout_s: float = 10) -> None:
    """Return once the user's tokens count as revoked."""
    await eventually(lambda: known.cover(str(user), None), timeout_s)


async def test_what_was_revoked_before_is_known_at_once(database: Database, db: Connection) -> None:
    not_before = await revoke(db, ALICE)
    async with reading(database) as (reader, known):
        assert reader.problem is None
        assert known.cover(str(ALICE), not_before - timedelta(microseconds=1))
        assert not known.cover(str(ALICE), not_before)
        assert not known.cover(str(BOB), None)


async def test_without_a_ring_it_is_known_within_seconds(
    database: Database, db: Connection
) -> None:
    async with reading(database) as (_reader, known):
        await revoke(db, ALICE)
        await until_known(known, ALICE, LOOK_EVERY_S + 1)


async def test_a_ring_is_heard_and_makes_it_known_at_once(
    database: Database, db: Connection
) -> None:
    rings: list[tuple[str, str]] = []
    async with reading(database) as (reader, known), asyncio.TaskGroup() as tasks:

        def heard(channel: str, payload: str) -> None:
            rings.append((channel, payload))
            reader.ring()

        listener = Listener(
            database.dsn("sonnette_gateway"), [REVOKED], application_name=NAME, on_ring=heard
        )
        listening = tasks.create_task(listener.run())
        await listener.listening.wait()
        users = [uuid4() for _ in range(6)]
        async with asyncio.timeout(LOOK_EVERY_S * 3):  # looks alone would take twice as long
            for user in users:
                await revoke(db, user)
                await until_known(known, user)
        listening.cancel()
    assert rings == [(REVOKED, "*")] * len(users)


async def test_a_revocation_that_commits_late_is_not_passed_over(
    database: Database, db: Connection
) -> None:
    async with reading(database) as (reader, known), await operator(database) as slow:
        async with slow.transaction():
            await revoke(slow, ALICE)
            await revoke(db, BOB)
            reader.ring()
            await until_known(known, BOB)
            assert not known.cover(str(ALICE), None)
            fence = uuid4()
            await revoke(db, fence)
            await until_known(known, fence)
        await until_known(known, ALICE)


async def test_a_lost_connection_is_opened_again_and_everything_is_read_anew(
    database: Database, db: Connection
) -> None:
    async with reading(database) as (reader, known):
        await revoke(db, ALICE)
        await until_known(known, ALICE)
        await value(
            db,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = %s and datname = current_database()",
            NAME,
        )
        # As after a restore: what is gone from the database is gone here, too.
        await value(db, "delete from sonnette.revocations returning true")
        await revoke(db, BOB)
        await until_known(known, BOB)
        await eventually(lambda: not known.cover(str(ALICE), None))
        assert reader.problem is None


async def test_a_database_without_revocations_is_said_and_found_once_it_has_them(
    database: Database, db: Connection
) -> None:
    await db.execute("alter table sonnette.revocations rename to away")
    known = Revocations()
    reader = RevocationReader(database.dsn("sonnette_gateway"), known, application_name=NAME)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reader.run())
        await eventually(lambda: str(reader.problem).startswith("the revocations cannot be read"))
        assert [known.known] == [False]
        await db.execute("alter table sonnette.away rename to revocations")
        await eventually(lambda: reader.problem is None)
        assert [known.known] == [True]
        running.cancel()
