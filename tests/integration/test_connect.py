"""db/connect.py: an answer has a limit, also where nothing answers the wish to cancel."""

import asyncio

import pytest
from psycopg.pq import TransactionStatus

from db.connect import connect, cut, limited
from db.errors import DatabaseFailed, DatabaseUnavailable, translated
from tests.db_helpers import Connection, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.watching import line, through

ROLE = "sonnette_gateway"
ACTIVE = TransactionStatus.ACTIVE


async def test_what_is_answered_in_time_is_left_alone(database: Database) -> None:
    connection = await connect(database.dsn(ROLE), application_name="a test")
    with limited(connection, 5, "a question"):
        await connection.execute("select 1")
    with limited(connection, 0.1, "a question"):
        pass
    await connection.execute("select pg_sleep(0.3)")  # the limit has passed, and is nobody's
    with limited(connection, 10, "a question"), translated():
        await connection.execute("select 1")
        with pytest.raises(DatabaseFailed, match="division by zero"), translated():
            await connection.execute("select 1 / 0")
    await connection.close()


async def test_a_limit_on_idle_sessions_ends_none_of_ours(
    database: Database, db: Connection
) -> None:
    """Set for this database, so that no other test has it."""
    await db.execute(
        f"alter role {ROLE} in database {database.name} set idle_session_timeout = '200ms'".encode()
    )
    ours = await connect(database.dsn(ROLE), application_name="a test")
    async with await Connection.connect(database.dsn(ROLE), autocommit=True) as other:
        others = "select count(*) = 0 from pg_stat_activity where pid = %s"
        await eventually(lambda: value(db, others, other.info.backend_pid))
    assert await value(ours, "select current_setting('idle_session_timeout')") == "0"
    await ours.close()


async def test_a_line_that_carries_nothing_costs_the_limit_and_no_more(database: Database) -> None:
    """psycopg would ask the server to cancel, over the same line, and wait for that: 10 s."""
    async with line(database) as dead:
        connection = await connect(through(dead, database), application_name="a test")
        dead.black_hole()
        async with asyncio.timeout(8):
            with (
                pytest.raises(DatabaseUnavailable, match=r"^no answer to a question in 0\.5 s$"),
                limited(connection, 0.5, "a question"),
            ):
                await connection.execute("select 1")
        assert connection.closed
        cut(connection)  # once more does no harm
        await connection.close()
        cut(connection)


async def test_a_statement_that_takes_too_long_ends_with_its_connection(
    database: Database,
) -> None:
    connection = await connect(database.dsn(ROLE), application_name="a test")
    with (
        pytest.raises(DatabaseUnavailable, match="no answer to a question"),
        limited(connection, 0.2, "a question"),
        translated(),
    ):
        await connection.execute("select pg_sleep(60)")
    assert connection.closed
    await connection.close()


async def test_a_statement_whose_task_is_cancelled_is_not_waited_for(database: Database) -> None:
    """Where an answer comes at once the connection lives on; on a dead line it is cut."""
    async with line(database) as way:
        connection = await connect(through(way, database), application_name="a test")
        asked = asyncio.ensure_future(connection.execute("select pg_sleep(0.2)"))
        await eventually(lambda: connection.info.transaction_status is ACTIVE)
        asked.cancel()
        await asyncio.wait([asked])
        assert asked.cancelled()
        await connection.execute("select 1")

        way.black_hole()
        asked = asyncio.ensure_future(connection.execute("select 1"))
        await eventually(lambda: connection.info.transaction_status is ACTIVE)
        asked.cancel()
        async with asyncio.timeout(8):
            await asyncio.wait([asked])
        assert asked.cancelled()
        assert connection.closed
        await connection.close()
