"""The gateway process: one listener, one reading connection, one WebSocket server."""

import asyncio
import resource
import sys

from gateway.health import Health
from gateway.metrics import Metrics
from gateway.relay import USUAL as PACE
from gateway.relay import Pace, Relay
from gateway.server import GatewayServer
from gateway.socket import USUAL as PATIENCE
from gateway.socket import Patience
from process import entry, systemd
from process.guard import REVOKED, Guard
from process.ports import listening_socket
from process.settings import Settings, SettingsError
from process.shutdown import begin, stop_on_signals
from process.watch import Watch


async def serve(settings: Settings, pace: Pace = PACE, patience: Patience = PATIENCE) -> None:
    """Serve until SIGTERM or SIGINT. SettingsError where something is missing."""
    dsn = _required(settings)
    stop = stop_on_signals()
    listening = listening_socket(
        settings.gateway_listen,
        setting="SONNETTE_GATEWAY_LISTEN",
        reuse_port=settings.gateway_reuse_port,
    )
    _raise_file_limit()
    metrics = Metrics()
    guard = Guard(settings, dsn, application_name="sonnette gateway")
    relay = Relay(dsn, metrics, pace)
    watch = _watch(dsn, relay, guard, metrics)
    health = Health(relay, watch, guard, metrics)
    server = GatewayServer(relay.hub, guard, health, metrics, settings, patience)
    async with asyncio.TaskGroup() as tasks:
        beside = [relay.run(), watch.run(health.report), guard.run(), _drain(watch, stop)]
        background = [tasks.create_task(work) for work in beside]
        systemd.ready()
        await server.run(listening, stop, relay.finish)
        for task in background:
            task.cancel()


async def _drain(watch: Watch, stop: asyncio.Event) -> None:
    """An operator's ops.drain() is a SIGTERM by way of the database."""
    await watch.until_drained()
    begin(stop)


def _watch(dsn: str, relay: Relay, guard: Guard, metrics: Metrics) -> Watch:
    async def mark_all() -> None:
        relay.hub.mark_all()

    def on_ring(channel: str, payload: str) -> None:
        if channel == REVOKED:
            guard.rung()
        else:
            relay.on_ring(channel, payload)

    return Watch(
        "gateway",
        dsn,
        ["sonnette", REVOKED],
        on_ring=on_ring,
        on_listening=mark_all,
        registry=metrics.registry,
    )


def _required(settings: Settings) -> str:
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL is not set; the gateway reads its users' feeds there")
    return settings.database_url


def _raise_file_limit() -> None:
    """Each socket is a file; the soft limit is for programs that use select()."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> int:
    """`python -m gateway`, `sonnette gateway`."""
    return entry.main(serve)


if __name__ == "__main__":
    sys.exit(main())
