"""What `sonnette doctor` says of a database in each condition that loses or delays events."""

from pathlib import Path

from db.connect import Standby
from db.errors import NotMigrated
from db.hearing import POOLER
from sonnette.examination import examine
from sonnette.findings import Finding
from tests.db_helpers import Connection, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.pooler import needs_pgbouncer, pooler
from tests.standby import pair
from tests.watching import ears, line, through


async def named(dsn: str, name: str) -> Finding:
    """The finding of that name."""
    return next(finding for finding in await examine(dsn) if finding.name == name)


async def test_a_database_in_order(database: Database, db: Connection) -> None:
    found = await examine(database.dsn("sonnette_operator"))
    assert [(one.name, one.good) for one in found] == [
        ("rings", True),
        ("triggers", True),
        ("notify queue", True),
        ("history", None),
    ]
    assert found[3].text.endswith(
        "has not been looked at yet: the next process to connect sees to it"
    )


async def test_the_history_after_a_process_has_connected(
    database: Database, db: Connection
) -> None:
    async with ears(database.dsn("sonnette_gateway")):
        found = await examine(database.dsn("sonnette_operator"))
    epoch = await value(db, "select id from sonnette.epoch")
    history, process = found[3:]
    assert history.good
    assert history.text.startswith(f"epoch {epoch}, since 2")
    assert (process.name, process.good) == ("gateway 1 on a test", True)


async def test_triggers_and_tables(database: Database, cargo_db: Connection) -> None:
    operator = database.dsn("sonnette_operator")
    await cargo_db.execute("alter table cargo disable trigger sonnette_log_update")
    found = await named(operator, "triggers")
    assert found.good is False
    assert "sonnette_log_update" in found.text
    await cargo_db.execute("drop table cargo")
    assert (await named(operator, "triggers")).text == (
        "the watched table public.cargo does not exist"
    )


async def test_a_database_never_migrated(database: Database) -> None:
    found = await examine(database.server.dsn("postgres", "postgres"))
    assert [(one.name, one.good) for one in found] == [("rings", True), ("triggers", False)]
    assert found[1].text == str(NotMigrated(None))


async def test_a_standby(pg_bindir: Path) -> None:
    async with pair(pg_bindir) as both:
        dsn = both.standby.dsn("sonnette_operator")
        assert [one.text for one in await examine(dsn)] == [str(Standby())]
        async with ears(dsn, ready=False) as one:
            await eventually(lambda: one.listener.problem == str(Standby()))


@needs_pgbouncer
async def test_a_pool_in_transaction_mode(database: Database, db: Connection) -> None:
    async with pooler(database, "transaction") as dsn:
        found = await named(dsn, "rings")
    assert (found.good, found.text) == (False, POOLER)


async def test_a_line_that_carries_nothing(database: Database) -> None:
    async with line(database) as dead:
        dead.black_hole()
        (found,) = await examine(through(dead, database, "sonnette_operator"))
        assert (found.good, found.text) == (False, "nobody answers at the address of the database")
