"""`sonnette doctor`: every setting, and whether each thing that Sonnette stands on is in order.

Looks and changes nothing. A process that does not listen is said and is no failure: not every host
runs all four. Anything else that is not in order makes the exit code 1.
"""

import asyncio
from collections.abc import Callable, Iterator

import httpx

from db import migrate
from db.errors import SonnetteError
from db.queries import queries
from process import jwks
from process.jwks import KeysUnavailable
from process.settings import Settings, describe
from sonnette import database, examination, readiness
from sonnette.database import OPERATOR
from sonnette.findings import Finding
from sonnette.home import Home
from sonnette.parts import Part, parts


def doctor(settings: Settings) -> int:
    """Print what was found; the exit code."""
    for name, value, source in describe(settings):
        print(f"{name}={value}  ({source})")
    print()
    findings = [*_database_findings(settings), _secret(settings), *asyncio.run(_asked(settings))]
    for finding in findings:
        print(finding)
    return 1 if any(finding.good is False for finding in findings) else 0


def _database_findings(settings: Settings) -> Iterator[Finding]:
    reachable, dsn = _reachable(settings)
    yield reachable
    if dsn is not None:
        yield _looked("migrations", lambda: _migrations(dsn))
        yield from asyncio.run(examination.examine(dsn))


def _reachable(settings: Settings) -> tuple[Finding, str | None]:
    try:
        dsn = database.find(settings, Home(settings.home)).dsn(OPERATOR)
        with database.connection(dsn, "doctor") as opened:
            row = opened.execute(queries["server_version"]).fetchone()
    except SonnetteError as problem:
        return Finding("database", False, str(problem)), None
    return Finding("database", True, f"PostgreSQL {row[0] if row else '?'}"), dsn


def _migrations(dsn: str) -> Finding:
    at, newest = migrate.current(dsn), migrate.newest()
    if at == newest:
        return Finding("migrations", True, f"at {at}, the newest")
    return Finding("migrations", False, f"at {at}, newest is {newest}: run `sonnette migrate`")


def _looked(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except SonnetteError as problem:
        return Finding(name, False, str(problem))


def _secret(settings: Settings) -> Finding:
    if settings.jwt_secret is not None:
        return Finding("secret", True, "SONNETTE_JWT_SECRET")
    home = Home(settings.home)
    try:
        made = home.secret()
    except SonnetteError as problem:
        return Finding("secret", False, str(problem))
    if made is None and settings.jwks_url is not None:
        return Finding("secret", None, "none: tokens are verified by SONNETTE_JWKS_URL alone")
    if made is None:
        return Finding("secret", False, "none: set SONNETTE_JWT_SECRET, or start `sonnette run`")
    return Finding("secret", True, str(home.secret_file))


async def _asked(settings: Settings) -> list[Finding]:
    keys = [] if settings.jwks_url is None else [await _keys(settings.jwks_url)]
    async with readiness.client() as http:
        return [*keys, *[await _answer_of(part, http) for part in parts(settings)]]


async def _keys(url: str) -> Finding:
    async with jwks.http_client(url) as http:
        try:
            keys = await jwks.fetch(http, url)
        except KeysUnavailable as problem:
            return Finding("keys", False, str(problem))
    return Finding("keys", True, "; ".join([f"{len(keys.by_kid)} published", *keys.skipped]))


async def _answer_of(part: Part, http: httpx.AsyncClient) -> Finding:
    answer = await readiness.ask(http, part)
    if answer.status is None:
        return Finding(part.name, None, f"nobody listens at {part.address}")
    return Finding(part.name, answer.ready, f"{part.url}{part.health} {answer.text}")
