"""PgBouncer before Postgres: as good as none in session mode, named in transaction mode."""

from psycopg import sql

from db.connect import connect
from db.hearing import POOLER
from tests.db_helpers import Connection, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.pooler import needs_pgbouncer, pooler
from tests.watching import PATIENT, ears

pytestmark = needs_pgbouncer


async def test_a_pool_in_transaction_mode_is_named(database: Database, db: Connection) -> None:
    async with pooler(database, "transaction") as dsn, ears(dsn, ready=False) as one:
        await eventually(lambda: one.listener.problem == POOLER, 20)
        assert (one.listener.connects, one.marks) == (0, 0), "it never says that it hears"
        assert not one.listener.listening.is_set()
        assert one.lookout.problem is None, "what needs no session works"


async def test_a_canary_sent_around_the_pool_does_not_hide_it(
    database: Database, db: Connection
) -> None:
    """The lookout reaches Postgres itself, the listener does not."""
    direct = database.dsn("sonnette_gateway")
    async with pooler(database, "transaction") as dsn, ears(dsn, direct, ready=False) as one:
        await eventually(lambda: one.listener.problem == POOLER, 20)


async def test_a_pool_in_session_mode_is_as_good_as_none(
    database: Database, db: Connection
) -> None:
    async with pooler(database, "session") as dsn, ears(dsn, pace=PATIENT) as one:
        await one.hears(db, "a ring")
        assert (one.listener.connects, one.marks) == (1, 1)


async def test_nothing_is_prepared_behind_a_pool(database: Database, db: Connection) -> None:
    """Its sessions serve many clients, for each of whom the same name stands for another query."""
    async with pooler(database, "transaction") as dsn:
        ours = [await connect(dsn, application_name=f"a test {number}") for number in range(2)]
        asked = [sql.SQL("select {}::int").format(number) for number in range(2)]
        for _ in range(10):
            answers = [await one.execute(query) for one, query in zip(ours, asked, strict=True)]
            assert [await answer.fetchall() for answer in answers] == [[(0,)], [(1,)]]
        assert await value(ours[0], "select count(*) from pg_prepared_statements") == 0
        for one in ours:
            await one.close()
