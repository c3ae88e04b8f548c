"""The errors of the database's side, each a sentence, and the one seam where psycopg's become ours.

`SonnetteError` is the root of what the world does to us (a server away, a rule of the database);
mistakes in our own code stay what Python calls them. DETAIL of a foreign error is dropped here:
"Failing row contains (...)" would carry a code. Our own SQLSTATEs (SN...) put their
machine-readable fields there.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg


class SonnetteError(Exception):
    """The world's doing. The message is a sentence that may be shown."""


class DatabaseUnavailable(SonnetteError):
    """Postgres cannot be reached, or closed the connection."""


class Incomplete(DatabaseUnavailable):
    """The database is there, and not all of it: a restore has not come that far."""

    def __init__(self) -> None:
        super().__init__(
            "the database has Sonnette's tables and no epoch in them: it is being restored, or "
            "its restore did not run to its end"
        )


class TryAgain(SonnetteError):
    """A deadlock, serialization failure or lock timeout: the same transaction may yet succeed."""


class DatabaseRefused(SonnetteError):
    """A rule of ours in the database forbids it. `sqlstate` is SN402, SN404, SN409 or SN422."""

    def __init__(self, sqlstate: str, message: str, fields: Mapping[str, object]) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.fields = fields


class DatabaseFailed(SonnetteError):
    """Postgres answered with an error that no rule of ours foresees."""

    def __init__(self, sqlstate: str | None, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class QueueFull(DatabaseFailed):
    """The notify queue is full to its end: NOTIFY fails, and whatever sends none goes on."""


class NotMigrated(DatabaseFailed):
    """The database is there, and Sonnette is not in it, or an older one."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(
            sqlstate, "the database has no Sonnette in it, or an older one; run `sonnette migrate`"
        )


_UNDEFINED = frozenset({"3F000", "42P01", "42883"})  # schema, table, function
_TOO_MANY = "54000"  # program_limit_exceeded, of which NOTIFY is one case
_TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})


def translate(error: psycopg.Error) -> SonnetteError:
    """Our error for one of psycopg's, without its DETAIL."""
    state = error.sqlstate
    message = error.diag.message_primary or "the connection to Postgres failed"
    if state is None or state.startswith(("08", "57P", "53")):
        return DatabaseUnavailable(_first_line(error) if state is None else message)
    if state in _TRY_AGAIN:
        return TryAgain(message)
    if state.startswith("SN"):
        fields = json.loads(error.diag.message_detail or "{}")
        return DatabaseRefused(state, message, fields)
    if state in _UNDEFINED and "sonnette" in message:
        return NotMigrated(state)
    if state == _TOO_MANY and "NOTIFY" in message:
        return QueueFull(state, message)
    return DatabaseFailed(state, f"{message} (SQLSTATE {state})")


def _first_line(error: psycopg.Error) -> str:
    # libpq's own sentences ("connection refused") name host and port, never a password.
    return str(error).strip().partition("\n")[0] or "the connection to Postgres was lost"


@contextmanager
def translated() -> Iterator[None]:
    """Everything of psycopg that is raised inside leaves as a SonnetteError."""
    try:
        yield
    except psycopg.Error as error:
        if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
            raise  # psycopg was called wrongly: a mistake of ours
        raise translate(error) from None
