"""What the service throws away by itself, each minute: the old end of the log, and old rows.

Promised to everybody else: small batches with as long a rest after each as it took, so that no
writer waits; and of several services one at a time does it. Promised to administrators: changes are
kept for SONNETTE_RETENTION_HOURS, unless there are more than SONNETTE_RETENTION_ROWS of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from db.errors import SonnetteError
from db.queries import queries
from process.settings import Settings
from service import keys
from service.database import Connection, Database
from service.metrics import Metrics

log = structlog.get_logger(__name__)

PAUSE_S = 60.0
BATCH = 1000
LONGEST_H = 876_000  # a century: what is for ever must still be a time for the database
NEVER_BEFORE_S = 60.0  # whatever the cap: who is served now has had its changes by then

Reason = Literal["age", "cap"]


@dataclass(frozen=True)
class Keep:
    """How long things are kept, and how many changes at most."""

    age_s: float
    changes: int


@dataclass(frozen=True)
class Kept:
    """What the log has: how many changes, about, and how old the first one is."""

    changes: int
    oldest_s: float


def keep_of(settings: Settings) -> Keep:
    """What the administrator has chosen."""
    hours = min(settings.retention_hours, LONGEST_H)
    return Keep(hours * 3600.0, settings.retention_rows)


async def keep_house(
    database: Database, keep: Keep, metrics: Metrics, pause_s: float = PAUSE_S
) -> None:
    """Throw away now and each `pause_s` seconds, until cancelled."""
    house = House(database, keep, metrics)
    while True:
        try:
            await house.tidy()
            await house.prune()
        except SonnetteError as error:
            log.warning("what is old could not be thrown away: %s", error)
        await asyncio.sleep(pause_s)


class House:
    """One service's housekeeping."""

    def __init__(self, database: Database, keep: Keep, metrics: Metrics) -> None:
        self._database = database
        self._keep = keep
        self._metrics = metrics

    async def tidy(self) -> None:
        """Forget idempotency keys after a day, other rows with the log."""
        while await self._rested(keys.prune):
            pass
        while tidied := await self._rested(lambda c: _tidied(c, self._keep.age_s)):
            self._metrics.tidied.inc(tidied)

    async def prune(self) -> None:
        """Forget changes that are too old, then the oldest of those that are too many."""
        while await self._pruned("age", self._keep.age_s, BATCH):
            pass
        surplus = (await self._looked()).changes - self._keep.changes
        if surplus > 0:
            await self._prune_surplus(surplus)

    async def _prune_surplus(self, surplus: int) -> None:
        left = surplus
        while left > 0:
            pruned = await self._pruned("cap", NEVER_BEFORE_S, min(BATCH, left))
            if not pruned:
                break
            left -= pruned
        kept = await self._looked()
        log.warning(
            "the log was over SONNETTE_RETENTION_ROWS; changes were forgotten before their time",
            changes=surplus - left,
            oldest_h=round(kept.oldest_s / 3600, 1),
        )

    async def _pruned(self, reason: Reason, older_than_s: float, most: int) -> int:
        pruned = await self._rested(lambda c: _log_pruned(c, older_than_s, most))
        self._metrics.pruned.labels(reason).inc(pruned)
        return pruned

    async def _looked(self) -> Kept:
        kept = await self._database.read(_kept)
        self._metrics.log_changes.set(kept.changes)
        self._metrics.log_oldest_s.set(kept.oldest_s)
        return kept

    async def _rested(self, batch: Callable[[Connection], Awaitable[int]]) -> int:
        """One batch, and a rest as long as it took."""
        clock = asyncio.get_running_loop().time
        began = clock()
        done = await self._database.note(batch)
        if done:
            await asyncio.sleep(clock() - began)
        return done


async def _log_pruned(connection: Connection, older_than_s: float, most: int) -> int:
    return await _number(connection, "log_pruned", older_than_s, most)


async def _tidied(connection: Connection, older_than_s: float) -> int:
    return await _number(connection, "tidied", older_than_s, BATCH)


async def _number(connection: Connection, name: str, older_than_s: float, most: int) -> int:
    parameters = {"older_than_s": older_than_s, "most": most}
    row = await (await connection.execute(queries[name], parameters)).fetchone()
    return int(row[0]) if row else 0


async def _kept(connection: Connection) -> Kept:
    row = await (await connection.execute(queries["log_kept"])).fetchone()
    return Kept(*row) if row else Kept(0, 0.0)
