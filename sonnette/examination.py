"""What doctor sees of the database: the conditions that /readyz names, and who lives on it.

Looks and changes nothing. Each look is limited, so that a line that carries nothing is named. What
could not be looked at for one reason is not looked at three times.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db.connect import connect, limited
from db.errors import DatabaseUnavailable, SonnetteError, translated
from db.hearing import CANARY, DEAF, POOLER
from db.lookout import crowded
from db.queries import queries
from sonnette.census import Seen, census
from sonnette.findings import Finding

LOOK_LIMIT_S = 5.0
ECHO_LIMIT_S = 2.0


async def examine(dsn: str) -> list[Finding]:
    """The findings, as the role of `dsn` sees them."""
    found: list[Finding] = []
    looks = {"rings": _rings, "triggers": _triggers, "notify queue": _queue, "history": _history}
    for name, look in looks.items():
        found.append(await _finding(name, dsn, look))
        if not found[-1].looked_at:
            return found
    with suppress(SonnetteError):  # a look that succeeded came before
        async with _connection(dsn) as connection:
            found += census(await _seen(connection))
    return found


async def _finding(
    name: str, dsn: str, look: Callable[[AsyncConnection[TupleRow], str], Awaitable[Finding]]
) -> Finding:
    try:
        async with _connection(dsn) as connection:
            return await look(connection, dsn)
    except SonnetteError as problem:
        return Finding(name, False, str(problem), looked_at=False)


@asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[AsyncConnection[TupleRow]]:
    connection = await connect(dsn, application_name="sonnette doctor")
    connection.prepare_threshold = None  # a pooler in transaction mode would lose them
    try:
        with limited(connection, LOOK_LIMIT_S, "a look"), translated():
            yield connection
    finally:
        await connection.close()


async def _one(connection: AsyncConnection[TupleRow], name: str) -> TupleRow:
    row = await (await connection.execute(queries[name])).fetchone()
    if row is None:
        raise DatabaseUnavailable(f"no answer to {name}")
    return row


async def _triggers(connection: AsyncConnection[TupleRow], _dsn: str) -> Finding:
    unwatched, unguarded, *_ = await _one(connection, "look")
    if unwatched or unguarded:
        return Finding("triggers", False, "; ".join([*unwatched, *unguarded]))
    return Finding("triggers", True, "all there, and ENABLE ALWAYS")


async def _queue(connection: AsyncConnection[TupleRow], _dsn: str) -> Finding:
    *_, usage, skipped = await _one(connection, "look")
    full = crowded(usage)
    said = full or f"{usage:.0%} full"
    return Finding("notify queue", full is None, f"{said}; {skipped} rings left out so far")


async def _history(connection: AsyncConnection[TupleRow], _dsn: str) -> Finding:
    epoch, since, known, same = await _one(connection, "history")
    if same:
        return Finding("history", True, f"epoch {epoch}, since {since}")
    why = "is another one now" if known else "has not been looked at yet"
    return Finding(
        "history", None, f"epoch {epoch}; its place {why}: the next process to connect sees to it"
    )


async def _rings(connection: AsyncConnection[TupleRow], dsn: str) -> Finding:
    """Whether a ring comes back over another connection, as the canaries of a process do."""
    pid = (await _one(connection, "backend_pid"))[0]
    payload = f"{CANARY}{uuid4()}:1"
    await connection.execute("listen sonnette")
    async with _connection(dsn) as other:
        await other.execute(queries["notify"], {"channel": "sonnette", "payload": payload})
    async for ring in connection.notifies(timeout=ECHO_LIMIT_S):
        if ring.payload == payload:
            return Finding("rings", True, "a ring sent on one connection is heard on another")
    return Finding("rings", False, DEAF if pid == connection.info.backend_pid else POOLER)


async def _seen(connection: AsyncConnection[TupleRow]) -> list[Seen]:
    return [Seen(*row) for row in await (await connection.execute(queries["processes"])).fetchall()]
