"""One way to connect: named in pg_stat_activity, every wait limited, every error a sentence."""

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from db.errors import DatabaseUnavailable, SonnetteError, translate

# libpq's own limits: a server that is gone without a word is noticed in about 20 s on a socket
# that is waited on; db/listener.py's canary finds it sooner.
_LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


async def connect(
    dsn: str, *, application_name: str, autocommit: bool = True
) -> AsyncConnection[TupleRow]:
    """Open a connection to the primary. DatabaseUnavailable with a sentence where there is none."""
    try:
        return await AsyncConnection.connect(
            conninfo(dsn, application_name=application_name), autocommit=autocommit
        )
    except psycopg.Error as error:
        raise _unavailable(error) from None


def conninfo(dsn: str, *, application_name: str) -> str:
    """The connection string with our limits in it, for whoever connects otherwise (a pool)."""
    return make_conninfo(dsn, application_name=application_name, **_limits(dsn))


def _limits(dsn: str) -> dict[str, int | str]:
    """The limits above, and writable hosts only, where the DSN does not say otherwise."""
    said = conninfo_to_dict(dsn)
    limits: dict[str, int | str] = {"target_session_attrs": "read-write", **_LIMITS}
    if "," not in str(said.get("host", "")):
        # A single standby is recognised and named by the listener, which says more than libpq.
        del limits["target_session_attrs"]
    return {name: value for name, value in limits.items() if name not in said}


def _unavailable(error: psycopg.Error) -> SonnetteError:
    ours = translate(error)
    if isinstance(ours, DatabaseUnavailable):
        return ours
    return DatabaseUnavailable(str(ours))
