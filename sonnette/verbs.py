"""The short commands: each does one thing with the home or the database, and prints the outcome."""

import contextlib
import os
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from db import binaries, migrate
from db.account import EmbeddedFailed
from db.errors import SonnetteError
from db.queries import queries
from process.settings import Settings
from process.tokens import mint
from sonnette import database
from sonnette.database import OPERATOR
from sonnette.home import Home
from sonnette.people import known_user
from sonnette.tail import Tail


class Refused(SonnetteError):
    """The command cannot be carried out; the sentence says why."""


def migrate_database(settings: Settings) -> None:
    """Bring the database to this version's schema."""
    url = database.find(settings, Home(settings.home)).url
    migrate.upgrade(url)
    print(f"the database is at {migrate.current(url)}, the newest")


def token(settings: Settings, who: str, lifetime: timedelta) -> None:
    """Print a token for a user, and nothing else."""
    secret = settings.jwt_secret or Home(settings.home).secret()
    if secret is None:
        raise Refused(
            f"there is no secret in {settings.home} yet: start `sonnette run` first, or set "
            "SONNETTE_JWT_SECRET"
        )
    user_id = _user(settings, who)
    print(mint(secret, user_id, datetime.now(UTC), int(lifetime.total_seconds())))


def credit(settings: Settings, who: str, amount: Decimal, reason: str) -> None:
    """Put money into a user's wallet."""
    dsn = _operator(settings)
    values = {"user_id": _user(settings, who), "amount": amount, "reason": reason, "key": None}
    with database.connection(dsn, "credit") as opened:
        row = opened.execute(queries["credit"], values).fetchone()
    if row is None:
        raise Refused("the database gave no wallet back; nothing was credited")
    print(f"{who} now has {row[0]} {settings.currency}, {row[1]} of it available")


def tail(settings: Settings, who: str, since: int | None, *, codes: bool) -> None:
    """Print a user's feed as it moves, until interrupted."""
    follower = Tail(_operator(settings), _user(settings, who), since, codes=codes)
    with contextlib.suppress(KeyboardInterrupt):
        follower.follow()


def watch(settings: Settings, table: str, owner_column: str) -> None:
    """Put a table on the feed."""
    url = database.find(settings, Home(settings.home)).url
    with database.connection(url, "watch") as opened:
        opened.execute(queries["watch"], {"table": table, "owner_column": owner_column})
    print(f"each change of {table} is on the feed of who stands in {owner_column}")


def dump(settings: Settings, arguments: list[str]) -> NoReturn:
    """Become pg_dump, connected as who may read everything."""
    program = _program(settings, "pg_dump")
    url = database.find(settings, Home(settings.home)).url
    environ = {"PGAPPNAME": "sonnette dump", **os.environ}
    os.execve(program, ["pg_dump", "-d", url, *arguments], environ)  # noqa: S606


def psql(settings: Settings, arguments: list[str]) -> NoReturn:
    """Become psql, connected as the operator."""
    program = _program(settings, "psql")
    environ = {"PGAPPNAME": "sonnette psql", **os.environ}
    os.execve(program, ["psql", "-d", _operator(settings), *arguments], environ)  # noqa: S606


def _operator(settings: Settings) -> str:
    return database.find(settings, Home(settings.home)).dsn(OPERATOR)


def _user(settings: Settings, who: str) -> UUID:
    if (user_id := known_user(who)) is not None:
        return user_id
    with database.connection(_operator(settings), "look-up") as opened:
        row = opened.execute(queries["user_named"], {"name": who}).fetchone()
    if row is None:
        raise Refused(f"there is no user {who!r}: give a name or a uuid")
    return UUID(str(row[0]))


def _program(settings: Settings, name: str) -> Path:
    """The bundled one: an older psql or pg_dump fails on a newer server."""
    candidates = [settings.pg_bindir, binaries.wheel_bindir()]
    for bindir in filter(None, candidates):
        if os.access(bindir / name, os.X_OK):
            return bindir / name
    if (on_path := shutil.which(name)) is not None:
        return Path(on_path)
    raise EmbeddedFailed(f"found no {name}: set SONNETTE_PG_BINDIR to a folder that has it")
