"""Which database a command talks to, and as which role.

DATABASE_URL, else the database of the `run` whose home this is. Every process connects as its own
role; where one login is all that DATABASE_URL gives, it takes the role on if it may.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from db import connect, place
from db.datadir import SUPERUSER
from db.errors import SonnetteError, translated
from db.place import Place
from db.queries import queries
from process.settings import Settings
from sonnette.home import Home

OPERATOR = "sonnette_operator"
# ALTER ROLE ... SET counts at login alone, not for a role that is taken on.
_IDLE_TIMEOUT_S = {OPERATOR: 60}
_PROCESS_IDLE_TIMEOUT_S = 15
_SECRET_PARTS = frozenset({"password", "sslpassword"})


class NoDatabase(SonnetteError):
    """There is no database to talk to; the sentence says how to get one."""


@dataclass(frozen=True)
class Database:
    """The embedded one at `embedded`, else the one that `url` reaches."""

    embedded: Place | None
    url: str

    def dsn(self, role: str) -> str:
        """How `role` connects; DatabaseUnavailable where nobody can."""
        if self.embedded is not None:
            return self.embedded.dsn(role)
        return as_role(self.url, role)

    @property
    def shown(self) -> str:
        """The administrator's DSN as one word, without its password."""
        if self.embedded is not None:
            return self.embedded.short_dsn(SUPERUSER)
        return shown(self.url)


def find(settings: Settings, home: Home) -> Database:
    """The database that the settings name, or that this home's `run` uses."""
    if settings.database_url is not None:
        return Database(None, settings.database_url)
    if (remembered := home.remembered()) is not None:
        return Database(None, remembered)
    if (kept := place.find(home.path)) is not None:
        return embedded(kept)
    raise NoDatabase(
        f"there is no database in {home.path} yet: start `sonnette run` first, or set DATABASE_URL"
    )


def embedded(kept: Place) -> Database:
    """The embedded database at `kept`; its `url` is its administrator's."""
    return Database(kept, kept.dsn(SUPERUSER))


@contextmanager
def connection(dsn: str, verb: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """An autocommit connection for one command, psycopg's errors translated."""
    try:
        opened = psycopg.connect(
            connect.conninfo(dsn, application_name=f"sonnette {verb}"), autocommit=True
        )
    except psycopg.Error as error:
        raise connect.unavailable(error) from None
    with translated(), opened:
        yield opened


def as_role(url: str, role: str) -> str:
    """`url` with `role` taken on, or `url` as it is where its login may not take it on."""
    said = conninfo_to_dict(url)
    if said.get("user") == role or not _may_take_on(url, role):
        return url
    idle_s = _IDLE_TIMEOUT_S.get(role, _PROCESS_IDLE_TIMEOUT_S)
    wish = f"-c role={role} -c idle_in_transaction_session_timeout={idle_s}s"
    return make_conninfo(url, options=f"{said.get('options') or ''} {wish}".strip())


def shown(url: str) -> str:
    """`url` as a URL without its passwords and without white space."""
    said = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    kept = {name: value for name, value in said.items() if name not in _SECRET_PARTS}
    user, dbname = quote(kept.pop("user", ""), safe=""), quote(kept.pop("dbname", ""), safe="")
    where = ""
    if re.fullmatch(r"[\w.-]+", kept.get("host", "")):  # one host, which is no socket folder
        where = ":".join([kept.pop("host"), kept.pop("port", "5432")])
    rest = urlencode(kept, quote_via=quote)
    return f"postgresql://{user + '@' if user else ''}{where}/{dbname}{'?' + rest if rest else ''}"


def _may_take_on(url: str, role: str) -> bool:
    with connection(url, "run") as asked:
        try:
            asked.execute(queries["role_taken_on"], {"role": role})
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue):
            return False
        return True
