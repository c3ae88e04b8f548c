"""What alembic runs: roles, then the migrations, then the repeatable files whose text has changed.

One migrator at a time (an advisory lock), everything as sonnette_owner. Where there is something to
do, all tables are held first (hold.sql): who cannot have them within a second gives way, and its
caller tries again. No writer is failed by it.
"""

import hashlib
from importlib.resources import files
from typing import TypeAlias, cast

import psycopg
import sqlalchemy as sa
from alembic import context

from db.queries import queries

Driver: TypeAlias = psycopg.Connection[tuple[str, str]]

# What stands in one line is one text: all of it is applied again when a part of it has changed.
REPEATABLES = (
    ("triggers.sql",),
    ("nested.sql",),
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


def _driver(connection: sa.Connection) -> Driver:
    """psycopg's own connection: it sends a file as it is, without a look for parameters."""
    return cast(Driver, connection.connection.driver_connection)


def _changed(driver: Driver) -> dict[str, tuple[bytes, str]]:
    """The repeatable texts that are not what was applied last, each with its hash."""
    known: dict[str, str] = dict(driver.execute(queries["repeatables"]).fetchall())
    texts = {name: b"\n".join(map(_file, (name, *more))) for name, *more in REPEATABLES}
    hashed = {name: (text, hashlib.sha256(text).hexdigest()) for name, text in texts.items()}
    return {name: (text, new) for name, (text, new) in hashed.items() if known.get(name) != new}


def _apply_repeatables(driver: Driver) -> None:
    changed = _changed(driver)
    for name, (text, digest) in changed.items():
        driver.execute(text)
        driver.execute(queries["repeatable_applied"], {"name": name, "hash": digest})
    driver.execute(queries["own_role"])
    if changed.keys() & {"triggers.sql", "nested.sql"}:
        driver.execute(queries["rewatch"])


def _prepare(driver: Driver) -> None:
    driver.execute(queries["migrator_lock"])
    driver.execute(_file("roles.sql"))
    driver.execute(_file("prelude.sql"))


def _hold_all_tables(driver: Driver) -> None:
    driver.execute(queries["own_role"])
    driver.execute(_file("hold.sql"))
    driver.execute(_file("prelude.sql"))


def _is_elsewhere() -> bool:
    """Whether the database is at another revision than it is to be."""
    return context.get_context().get_current_revision() != context.get_revision_argument()


def run_migrations_online() -> None:
    dsn = context.config.attributes["dsn"]
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=sa.NullPool
    )
    with engine.connect() as connection, connection.begin():
        driver = _driver(connection)
        _prepare(driver)
        context.configure(
            connection=connection, version_table_schema="sonnette", transactional_ddl=True
        )
        if _is_elsewhere() or _changed(driver):
            _hold_all_tables(driver)
        context.run_migrations()
        # A downgrade to nothing has taken the tables that the repeatable files speak of.
        if context.get_context().get_current_revision() is not None:
            _apply_repeatables(driver)


run_migrations_online()
