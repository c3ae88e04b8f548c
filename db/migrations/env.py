"""What alembic runs: roles, then the migrations, then the repeatable files whose text has changed.

One migrator at a time (an advisory lock), everything as sonnette_owner, and no wait for a lock of
over two seconds: a migration that would stop the writers gives way, and its caller tries again.
"""

import hashlib
from importlib.resources import files
from typing import cast

import psycopg
import sqlalchemy as sa
from alembic import context

from db.queries import queries

# What stands in one line is one text: all of it is applied again when a part of it has changed.
REPEATABLES = (
    ("triggers.sql",),
    ("watched.sql",),
    ("activations.sql",),
    ("functions.sql",),
    ("results.sql",),
    ("webhooks.sql",),
    ("retention.sql",),
    ("processes.sql",),
    ("oversight.sql",),
    ("operators.sql", "operators_look.sql", "operators_act.sql", "operators_doctor.sql"),
    ("grants.sql",),
)


def _file(name: str) -> bytes:
    return (files("db") / name).read_bytes()


def _driver(connection: sa.Connection) -> psycopg.Connection[tuple[str, str]]:
    """psycopg's own connection: it sends a file as it is, without a look for parameters."""
    return cast(psycopg.Connection[tuple[str, str]], connection.connection.driver_connection)


def _apply_repeatables(driver: psycopg.Connection[tuple[str, str]]) -> None:
    known: dict[str, str] = dict(driver.execute(queries["repeatables"]).fetchall())
    changed = set()
    for name, *further in REPEATABLES:
        text = b"\n".join(map(_file, (name, *further)))
        digest = hashlib.sha256(text).hexdigest()
        if known.get(name) != digest:
            driver.execute(text)
            driver.execute(queries["repeatable_applied"], {"name": name, "hash": digest})
            changed.add(name)
    driver.execute(queries["own_role"])
    if "triggers.sql" in changed:
        driver.execute(queries["rewatch"])


def _prepare(driver: psycopg.Connection[tuple[str, str]]) -> None:
    driver.execute(queries["migrator_lock"])
    driver.execute(_file("roles.sql"))
    driver.execute(_file("prelude.sql"))


def run_migrations_online() -> None:
    dsn = context.config.attributes["dsn"]
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=sa.NullPool
    )
    with engine.connect() as connection, connection.begin():
        _prepare(_driver(connection))
        context.configure(
            connection=connection, version_table_schema="sonnette", transactional_ddl=True
        )
        context.run_migrations()
        # A downgrade to nothing has taken the tables that the repeatable files speak of.
        if context.get_context().get_current_revision() is not None:
            _apply_repeatables(_driver(connection))


run_migrations_online()
