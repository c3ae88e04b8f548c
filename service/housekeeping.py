"""What the service throws away by itself: idempotency keys older than a day."""

import asyncio

import structlog

from db.errors import SonnetteError
from service import keys
from service.database import Database

log = structlog.get_logger(__name__)

PAUSE_S = 600.0


async def keep_house(database: Database, pause_s: float = PAUSE_S) -> None:
    """Prune now and each `pause_s` seconds, until cancelled."""
    while True:
        try:
            while await database.note(keys.prune):
                pass
        except SonnetteError as error:
            log.warning("old idempotency keys are still there: %s", error)
        await asyncio.sleep(pause_s)
