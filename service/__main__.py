"""The service process: one pool, one listener, one HTTP server.

It does not begin without a migrated database; once it runs, it outlives the loss of one.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from process import entry, http
from process.guard import REVOKED, Guard
from process.settings import Settings, SettingsError
from process.shutdown import stop_on_signals
from process.watch import Watch
from service import database, housekeeping
from service.allowances import Allowances
from service.answers import Resources
from service.app import application
from service.callers import Callers
from service.health import Health
from service.limits import Slots
from service.metrics import Metrics
from service.parts import Parts
from service.waiting import FEEDS, WORK, Doorbell
from service.writes import Writes


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. SettingsError or SonnetteError where it cannot begin."""
    await serve_until(stop_on_signals(), settings)


async def serve_until(stop: asyncio.Event, settings: Settings) -> None:
    """Serve until `stop` is set."""
    dsn = _required(settings)
    metrics, doorbell = Metrics(), Doorbell()
    guard = Guard(settings, dsn, application_name=database.NAME)
    watch = Watch(
        "service",
        dsn,
        [FEEDS, WORK, REVOKED],
        on_ring=_to(doorbell, guard),
        on_listening=doorbell.ring_everybody,
        registry=metrics.registry,
    )
    async with database.opened(dsn) as db:
        await database.begun(dsn, db)
        allowances = Allowances(
            settings.user_requests_per_s, settings.address_requests_per_s, metrics.refused
        )
        streams = Slots()
        metrics.streams.set_function(lambda: streams.in_use)
        parts = Parts(
            settings=settings,
            database=db,
            callers=Callers(guard, allowances),
            allowances=allowances,
            doorbell=doorbell,
            slots=Slots(),
            streams=streams,
            resources=Resources(metrics),
            writes=Writes(db, _now),
            clock=_now,
        )
        health = Health(db, watch, guard, parts.slots, metrics)
        app = application(parts, metrics, settings.jwt_secret, health.routes())
        async with asyncio.TaskGroup() as tasks:
            beside = [
                watch.run(health.report),
                guard.run(),
                housekeeping.keep_house(db, housekeeping.keep_of(settings), metrics),
                _end_waits(stop, doorbell),
            ]
            background = [tasks.create_task(work) for work in beside]
            where = settings.service_listen
            await http.serve(app, where, setting="SONNETTE_SERVICE_LISTEN", stop=stop)
            for task in background:
                task.cancel()


def _to(doorbell: Doorbell, guard: Guard) -> Callable[[str, str], None]:
    def notified(channel: str, payload: str) -> None:
        if channel == REVOKED:
            guard.rung()
        else:
            doorbell.notified(channel, payload)

    return notified


async def _end_waits(stop: asyncio.Event, doorbell: Doorbell) -> None:
    """Requests that wait are answered with what there is, before the server drains."""
    await stop.wait()
    doorbell.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _required(settings: Settings) -> str:
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL is not set; the service keeps everything there")
    return settings.database_url


def main() -> int:
    """`python -m service`, `sonnette service`."""
    return entry.main(serve)


if __name__ == "__main__":
    sys.exit(main())
