"""Migrations: equal to the committed snapshot, repeatable, reversible, by many at once."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from pytest_postgresql.janitor import DatabaseJanitor

from db import migrate
from db.embedded import Server
from db.place import PORT
from tests.fixtures.postgres import SUPERUSER, Database

CATALOG = (Path(__file__).parent / "schema" / "catalog.sql").read_bytes()
SNAPSHOT = files("db") / "schema.txt"


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    """The DSN of a database in which nothing is."""
    janitor = DatabaseJanitor(
        user=SUPERUSER, host=str(server.socket_dir), port=PORT, dbname="sonnette_empty"
    )
    janitor.init()
    yield server.dsn(dbname="sonnette_empty")
    janitor.drop()


def catalog(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as db:
        return [str(row[0]) for row in db.execute(CATALOG)]


def test_an_upgrade_from_empty_equals_the_snapshot(empty: str, tmp_path: Path) -> None:
    migrate.upgrade(empty)
    found = "\n".join(catalog(empty)) + "\n"
    fresh = tmp_path / "schema.txt"
    fresh.write_text(found, encoding="utf-8")
    kept = SNAPSHOT.read_text(encoding="utf-8")
    assert found == kept, f"the schema has changed; if that is meant: cp {fresh} db/schema.txt"


def test_an_upgrade_can_be_repeated_and_taken_back(empty: str) -> None:
    migrate.upgrade(empty)
    first = catalog(empty)
    migrate.upgrade(empty)
    assert catalog(empty) == first
    assert migrate.current(empty) == migrate.newest()
    migrate.downgrade(empty, "base")
    assert not [line for line in catalog(empty) if line.startswith(("function", "table public"))]
    migrate.upgrade(empty)
    assert catalog(empty) == first


def test_a_database_never_migrated_is_at_no_revision(empty: str) -> None:
    assert migrate.current(empty) is None


def test_many_migrators_at_once_are_one(empty: str) -> None:
    program = "import sys; from db import migrate; migrate.upgrade(sys.argv[1])"
    migrators = [subprocess.Popen([sys.executable, "-c", program, empty]) for _ in range(3)]
    assert [migrator.wait(60) for migrator in migrators] == [0, 0, 0]
    assert migrate.current(empty) == migrate.newest()


def test_watched_tables_survive_an_upgrade(database: Database) -> None:
    with psycopg.connect(database.dsn(), autocommit=True) as db:
        db.execute("create table cargo (id int primary key, owner uuid)")
        db.execute("select sonnette.watch('cargo', 'owner')")
        db.execute("update sonnette.repeatables set hash = 'old'")
        migrate.upgrade(database.dsn())
        assert db.execute("select sonnette.unwatched()").fetchall() == []


# What each role must not be able to do. What it must, the tests of its process show.
FORBIDDEN = [
    ("sonnette_gateway", "select * from activations"),
    ("sonnette_gateway", "select * from wallets"),
    ("sonnette_gateway", "insert into sonnette.changes (tx) values ('1')"),
    ("sonnette_gateway", "select sonnette.credit(gen_random_uuid(), 1, 'x')"),
    ("sonnette_service", "update wallets set balance = 100"),
    ("sonnette_service", "update activations set status = 'received'"),
    ("sonnette_service", "select sonnette.credit(gen_random_uuid(), 1, 'x')"),
    ("sonnette_service", "select sonnette.sms_arrived(null, '', '', '', now(), '', '')"),
    ("sonnette_service", "select body from sonnette.inbox"),
    ("sonnette_service", "select state from sonnette.accounts"),
    ("sonnette_service", "select sonnette.hint_closed(1, 'confirmed')"),
    ("sonnette_gateway", "select * from sonnette.inbox"),
    ("sonnette_gateway", "select sonnette.webhook_received('a', '1', '{}', null, '')"),
    ("sonnette_poller", "update sonnette.inbox set outcome = 'confirmed'"),
    ("sonnette_poller", "update wallets set balance = 100"),
    ("sonnette_poller", "select sonnette.credit(gen_random_uuid(), 1, 'x')"),
    ("sonnette_poller", "select sonnette.buy(gen_random_uuid(), 'wa', '6')"),
    ("sonnette_poller", "select * from sonnette.changes"),
    ("sonnette_operator", "update wallets set balance = 100"),
    ("sonnette_operator", "insert into ledger (user_id) values (null)"),
    ("sonnette_gateway", "select sonnette.revoke(gen_random_uuid())"),
    ("sonnette_service", "select sonnette.revoke(gen_random_uuid())"),
    ("sonnette_poller", "select * from sonnette.revocations"),
    ("sonnette_operator", "delete from sonnette.revocations"),
    ("sonnette_operator", "delete from sonnette.feeds"),
    ("sonnette_operator", "update sonnette.numbers set seq = seq + 1"),
    ("sonnette_operator", "alter table activations disable trigger all"),
    ("sonnette_operator", "select sonnette.settle(null)"),
    ("sonnette_operator", "create table public.mine (id int)"),
    ("sonnette_operator", "update sonnette.accounts set paused_at = now()"),
    ("sonnette_operator", "update sonnette.processes set drain_at = now()"),
    ("sonnette_operator", "delete from sonnette.late_messages"),
    ("sonnette_operator", "update sonnette.epoch set id = gen_random_uuid()"),
    ("sonnette_operator", "truncate activations"),
    ("sonnette_operator", "create function ops.mine() returns int language sql as 'select 1'"),
    ("sonnette_gateway", "select * from sonnette.late_messages"),
    ("sonnette_gateway", "select * from sonnette.inbox"),
    ("sonnette_gateway", "select * from ops.audit"),
    ("sonnette_gateway", "update sonnette.processes set seen_at = now()"),
    ("sonnette_service", "select * from sonnette.late_messages"),
    ("sonnette_service", "select * from sonnette.inbox"),
    ("sonnette_service", "delete from sonnette.changes"),
    ("sonnette_service", "select * from ops.live"),
    ("sonnette_service", "select sonnette.end_activation(null, 'failed', null)"),
    ("sonnette_poller", "update activations set status = 'received'"),
    (
        "sonnette_poller",
        "insert into sonnette.inbox (account, body, dedupe_key) values ('', '{}', '')",
    ),
    ("sonnette_poller", "delete from sonnette.late_messages"),
    ("sonnette_poller", "select * from users"),
    ("sonnette_poller", "select * from ledger"),
]


@pytest.mark.parametrize(("role", "attempt"), FORBIDDEN)
def test_a_role_can_do_nothing_but_its_own(database: Database, role: str, attempt: str) -> None:
    with (
        psycopg.connect(database.dsn(role)) as db,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        db.execute(attempt.encode())


def test_the_owner_logs_in_nowhere(database: Database) -> None:
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(database.dsn("sonnette_owner"))


def test_roles_have_their_time_limits(database: Database) -> None:
    with psycopg.connect(database.dsn("sonnette_operator")) as db:
        found = db.execute("show idle_in_transaction_session_timeout").fetchone()
    assert found == ("1min",)
