"""The service process: one pool, one listener, one HTTP server.

It does not begin without a migrated database; once it runs, it outlives the loss of one.
"""

import asyncio
import sys
from datetime import UTC, datetime

from db.listener import Listener
from process import entry, http
from process.settings import Settings, SettingsError
from process.shutdown import stop_on_signals
from process.tokens import Verifier
from service import database
from service.answers import Resources
from service.app import application
from service.callers import Callers
from service.health import Health
from service.limits import Slots
from service.metrics import Metrics
from service.parts import Parts
from service.waiting import FEEDS, WORK, Doorbell


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. SettingsError or SonnetteError where it cannot begin."""
    await serve_until(stop_on_signals(), settings)


async def serve_until(stop: asyncio.Event, settings: Settings) -> None:
    """Serve until `stop` is set."""
    dsn, secret = _required(settings)
    metrics, doorbell = Metrics(), Doorbell()
    listener = Listener(
        dsn,
        [FEEDS, WORK],
        application_name="sonnette service listener",
        on_ring=doorbell.notified,
        on_listening=doorbell.ring_everybody,
    )
    async with database.opened(dsn) as db:
        await db.check()
        callers = Callers(Verifier(secret), _now)
        parts = Parts(settings, db, callers, doorbell, Slots(), Resources(metrics), _now)
        health = Health(db, listener, parts.slots, metrics)
        app = application(parts, secret, health.routes())
        async with asyncio.TaskGroup() as tasks:
            beside = [listener.run(), _end_waits(stop, doorbell)]
            background = [tasks.create_task(work) for work in beside]
            where = settings.service_listen
            await http.serve(app, where, setting="SONNETTE_SERVICE_LISTEN", stop=stop)
            for task in background:
                task.cancel()


async def _end_waits(stop: asyncio.Event, doorbell: Doorbell) -> None:
    """Requests that wait are answered with what there is, before the server drains."""
    await stop.wait()
    doorbell.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _required(settings: Settings) -> tuple[str, str]:
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL is not set; the service keeps everything there")
    if settings.jwt_secret is None:
        raise SettingsError("SONNETTE_JWT_SECRET is not set; it verifies the users' tokens")
    return settings.database_url, settings.jwt_secret


def main() -> int:
    """`python -m service`, `sonnette service`."""
    return entry.main(serve)


if __name__ == "__main__":
    sys.exit(main())
