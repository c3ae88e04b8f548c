"""`sonnette migrate`: brings a database to this version's schema. There is no other step."""

import logging
import random
import time
from collections.abc import Callable

import alembic.command
import alembic.config
import alembic.script
import psycopg
import sqlalchemy as sa

from db.errors import SonnetteError, TryAgain, translate
from db.queries import queries

log = logging.getLogger(__name__)
ATTEMPTS = 10


def _config(dsn: str) -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", "db:migrations")
    config.attributes["dsn"] = dsn
    return config


def upgrade(dsn: str) -> None:
    """Upgrade to the newest schema and apply what repeatable SQL has changed.

    Retried where other sessions hold the locks; DatabaseUnavailable and other SonnetteErrors where
    it cannot be done. May be called at any time, by many at once: one migrates, the others wait.
    """
    _retried(lambda: alembic.command.upgrade(_config(dsn), "head"))


def downgrade(dsn: str, revision: str) -> None:
    """Go back to a revision, or to "base": the tables and what is in them go with it."""
    _retried(lambda: alembic.command.downgrade(_config(dsn), revision))


def newest() -> str | None:
    """The revision that this version's code expects."""
    return alembic.script.ScriptDirectory.from_config(_config("")).get_current_head()


def current(dsn: str) -> str | None:
    """The revision that the database is at; None where it was never migrated."""
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            found = connection.execute(queries["revision"]).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    except psycopg.Error as error:
        raise translate(error) from None
    return None if found is None else str(found[0])


def _retried(action: Callable[[], None]) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            action()
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            ours = _ours(error)
            if not isinstance(ours, TryAgain) or attempt == ATTEMPTS:
                raise ours from None
            log.warning("migration gives way to other sessions", extra={"attempt": attempt})
            time.sleep(min(0.1 * 2**attempt, 3) * random.uniform(0.5, 1))  # noqa: S311
        else:
            return


def _ours(error: Exception) -> SonnetteError:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        raise error
    return translate(cause)
