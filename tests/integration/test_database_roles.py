"""One login for all: each process takes its role on where it may, and works without where not."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from db.errors import DatabaseUnavailable
from sonnette.database import as_role
from tests.fixtures.postgres import Database
from tests.fixtures.running import free_ports


@pytest.fixture
def login(database: Database) -> Iterator[str]:
    """A login of this test's own that is a member of nothing."""
    name = f"login_{uuid4().hex[:8]}"
    with psycopg.connect(database.dsn(), autocommit=True) as superuser:
        superuser.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        yield name
        superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def ask(dsn: str, statement: bytes) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(statement).fetchone()
    return row and row[0]


@pytest.mark.parametrize(
    ("role", "timeout"), [("sonnette_gateway", "15s"), ("sonnette_operator", "1min")]
)
def test_a_superusers_login_takes_each_role_on(database: Database, role: str, timeout: str) -> None:
    dsn = as_role(database.dsn(), role)
    assert ask(dsn, b"select current_user::text") == role
    assert ask(dsn, b"show idle_in_transaction_session_timeout") == timeout


def test_options_that_the_administrator_gave_are_kept(database: Database) -> None:
    dsn = as_role(f"{database.dsn()}&options=-c%20work_mem%3D7MB", "sonnette_gateway")
    assert ask(dsn, b"show work_mem") == "7MB"
    assert ask(dsn, b"select current_user::text") == "sonnette_gateway"


def test_a_login_that_may_not_take_a_role_on_is_used_as_it_is(
    database: Database, login: str
) -> None:
    assert as_role(database.dsn(login), "sonnette_gateway") == database.dsn(login)


def test_a_login_that_is_the_role_is_used_as_it_is(database: Database) -> None:
    dsn = database.dsn("sonnette_gateway")
    assert as_role(dsn, "sonnette_gateway") == dsn


def test_a_role_that_does_not_exist_is_not_taken_on(database: Database) -> None:
    assert as_role(database.dsn(), "sonnette_nobody") == database.dsn()


def test_a_database_that_is_away_is_said(free_port: int) -> None:
    with pytest.raises(DatabaseUnavailable):
        as_role(f"postgresql://u@127.0.0.1:{free_port}/d", "sonnette_gateway")


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    return free_ports(1)[0]
