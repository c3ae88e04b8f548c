"""One way to connect: named in pg_stat_activity, every wait limited, every error a sentence.

Only to a primary: of several hosts, or of several addresses of one, the first that is a primary.
What is connected may be idle as long as it likes, and its end at the server goes when the line is
dead, as ours does: a network that comes and goes leaves no sessions behind.
`limited` is how a statement gets a limit: by the connection's end, because a cancelling driver
asks a server that may be gone, and waits for its answer.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from db.errors import DatabaseUnavailable, SonnetteError, translate, translated
from db.queries import queries

# libpq's own limits: a server that is gone without a word is noticed in about 20 s on a socket
# that is waited on; db/listener.py's canary finds it sooner.
_LIMITS: dict[str, int | str] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "target_session_attrs": "primary",
}
_BEGIN_LIMIT_S = 5.0
_STANDBY = "in hot standby mode"  # libpq, of a server that is not the primary asked for


class Standby(DatabaseUnavailable):
    """Nothing but a standby answers."""

    def __init__(self) -> None:
        super().__init__(
            "only a standby answers, where nothing can be written or listened to; "
            "DATABASE_URL has to reach a primary"
        )


class NoAnswer(DatabaseUnavailable):
    """An open connection carried a question, and no answer in its limit."""


async def connect(dsn: str, *, application_name: str) -> AsyncConnection[TupleRow]:
    """Open a connection to the primary. DatabaseUnavailable with a sentence where there is none."""
    try:
        connection = await AsyncConnection.connect(
            conninfo(dsn, application_name=application_name), autocommit=True
        )
    except psycopg.Error as error:
        raise unavailable(error) from None
    try:
        with limited(connection, _BEGIN_LIMIT_S, "the first question"), translated():
            await begin(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


async def begin(connection: AsyncConnection[TupleRow]) -> None:
    """What each session of ours is told first; for whoever connects otherwise, too."""
    await connection.execute(queries["session"])


def conninfo(dsn: str, *, application_name: str) -> str:
    """The connection string with our limits in it, for whoever connects otherwise (a pool)."""
    said = conninfo_to_dict(dsn)
    ours = {name: value for name, value in _LIMITS.items() if name not in said}
    return make_conninfo(dsn, application_name=application_name, **ours)


def unavailable(error: psycopg.Error) -> SonnetteError:
    """Why there is no connection."""
    if _STANDBY in str(error):
        return Standby()
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return DatabaseUnavailable("nobody answers at the address of the database")
    ours = translate(error)
    return ours if isinstance(ours, DatabaseUnavailable) else DatabaseUnavailable(str(ours))


def cut(connection: AsyncConnection[TupleRow]) -> None:
    """End a connection at once, whatever waits on it: that fails now, and asks nobody first."""
    with (
        contextlib.suppress(OSError, psycopg.Error),  # it is closed already
        socket.socket(fileno=os.dup(connection.fileno())) as same,
    ):
        same.shutdown(socket.SHUT_RDWR)


@contextmanager
def limited(connection: AsyncConnection[TupleRow], limit_s: float, what: str) -> Iterator[None]:
    """What is sent inside is answered within `limit_s`, or it is NoAnswer and the end of it."""
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        cut(connection)

    timer = asyncio.get_running_loop().call_later(limit_s, expire)
    try:
        yield
    except (psycopg.Error, SonnetteError):
        if expired:
            raise NoAnswer(f"no answer to {what} in {limit_s:g} s") from None
        raise
    finally:
        timer.cancel()
