"""Idempotency keys as they stand in the database, typed: who asked what, and what was answered.

Promised: a key is claimed in the transaction that does what was asked, so that there is never one
without the other; and a claim says how long its answer may take and which connection made it, so
that a retry can tell a request that runs from one whose process is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from db.queries import queries
from service.rows import Connection

PRUNED_AT_ONCE = 500


@dataclass(frozen=True)
class Claim:
    """One use of a key: per user and route. `lease_s` is how long its answer may take."""

    user_id: UUID
    route: str
    key: str
    body_hash: bytes
    lease_s: float

    @property
    def parameters(self) -> Mapping[str, object]:
        """What every statement about it needs."""
        return {"user_id": self.user_id, "route": self.route, "key": self.key}


@dataclass(frozen=True)
class Answer:
    """An answer as it was sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Found:
    """A key that was claimed before. `running_s`: how much longer it may run, 0 if it does not."""

    body_hash: bytes
    activation_id: UUID | None
    request_id: int | None
    status: int | None
    headers: str | None
    body: bytes | None
    running_s: float

    @property
    def answer(self) -> Answer | None:
        """What was answered, once it was."""
        if self.status is None or self.headers is None or self.body is None:
            return None
        headers = msgspec.json.decode(self.headers, type=tuple[tuple[str, str], ...])
        return Answer(self.status, headers, self.body)


async def claim(connection: Connection, wanted: Claim) -> bool:
    """Take the key for this transaction; False where it was taken before."""
    parameters = {
        **wanted.parameters,
        "body_hash": wanted.body_hash,
        "lease_s": wanted.lease_s,
    }
    cursor = await connection.execute(queries["key_claimed"], parameters)
    return await cursor.fetchone() is not None


async def find(connection: Connection, wanted: Claim) -> Found | None:
    """What is known under the key, its row locked; None where it was pruned just now."""
    async with connection.cursor(row_factory=class_row(Found)) as cursor:
        await cursor.execute(queries["key_found"], wanted.parameters)
        return await cursor.fetchone()


async def note_asked(
    connection: Connection, claimed: Claim, activation_id: UUID, request_id: int | None
) -> None:
    """Remember what was asked under the key."""
    asked = {"activation_id": activation_id, "request_id": request_id}
    await connection.execute(queries["key_asked"], {**claimed.parameters, **asked})


async def take_over(connection: Connection, claimed: Claim) -> None:
    """The one who would have answered is gone, and this caller is in its place."""
    parameters = {**claimed.parameters, "lease_s": claimed.lease_s}
    await connection.execute(queries["key_taken_over"], parameters)


async def release(connection: Connection, claimed: Claim) -> None:
    """There was no answer: the next one who comes with the key may look."""
    await connection.execute(queries["key_released"], claimed.parameters)


async def keep(connection: Connection, claimed: Claim, answer: Answer) -> None:
    """Remember the answer, unless there is one already."""
    headers = msgspec.json.encode(answer.headers).decode()
    told = {"status": answer.status, "headers": headers, "body": answer.body}
    await connection.execute(queries["key_answered"], {**claimed.parameters, **told})


async def prune(connection: Connection) -> int:
    """Forget some of the keys that are older than a day; how many it was."""
    cursor = await connection.execute(queries["keys_pruned"], {"most": PRUNED_AT_ONCE})
    return cursor.rowcount
