"""One way to connect: named in pg_stat_activity, every wait limited, every error a sentence.

Only to a primary: of several hosts, or of several addresses of one, the first that is a primary.
What is connected may be idle as long as it likes, and its end at the server goes when the line is
dead, as ours does: a network that comes and goes leaves no sessions behind.
`limited` is how a statement gets a limit: by the connection's end, because a cancelling driver
asks a server that may be gone, and waits for its answer. For the same reason a task that is
cancelled in a statement waits for the answer for a moment, and then its connection is cut.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg import AsyncConnection, waiting
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from db.errors import DatabaseUnavailable, SonnetteError, translate, translated
from db.queries import queries

RV = TypeVar("RV")

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
CANCELLED_LIMIT_S = 0.5  # for the answer to what was asked when its task was cancelled
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


class Connection(AsyncConnection[TupleRow]):
    """Ours: a statement whose task is cancelled is over in half a second, on a dead line, too."""

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Part of psycopg, which would ask the server to cancel, and wait 10 s for a dead one."""
        turn = waiting.wait_async
        try:
            return await turn(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                with contextlib.suppress(psycopg.Error), _cut_after(self, CANCELLED_LIMIT_S):
                    await turn(gen, self.pgconn.socket, interval=interval)
            raise


async def connect(dsn: str, *, application_name: str) -> AsyncConnection[TupleRow]:
    """Open a connection to the primary. DatabaseUnavailable with a sentence where there is none."""
    try:
        connection = await Connection.connect(
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
    row = await (await connection.execute(queries["session"])).fetchone()
    if row is not None and row[0] != connection.info.backend_pid:
        # A pooler may give this client's next statement to a session in which the same name stands
        # for what another client has prepared.
        connection.prepare_threshold = None


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
    with _cut_after(connection, limit_s) as expired:
        try:
            yield
        except (psycopg.Error, SonnetteError):
            if expired.is_set():
                raise NoAnswer(f"no answer to {what} in {limit_s:g} s") from None
            raise


@contextmanager
def _cut_after(connection: AsyncConnection[TupleRow], limit_s: float) -> Iterator[asyncio.Event]:
    expired = asyncio.Event()

    def expire() -> None:
        expired.set()
        cut(connection)

    timer = asyncio.get_running_loop().call_later(limit_s, expire)
    try:
        yield expired
    finally:
        timer.cancel()
