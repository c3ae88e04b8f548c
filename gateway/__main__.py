"""The gateway process: one listener, one reading connection, one WebSocket server."""

import asyncio
import resource
import sys

from db.listener import Listener
from gateway.health import Health
from gateway.metrics import Metrics
from gateway.relay import Relay
from gateway.server import GatewayServer
from process import entry
from process.ports import listening_socket
from process.settings import Settings, SettingsError
from process.shutdown import stop_on_signals
from process.tokens import Verifier


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. SettingsError where something is missing."""
    dsn, secret = _required(settings)
    stop = stop_on_signals()
    listening = listening_socket(settings.gateway_listen, setting="SONNETTE_GATEWAY_LISTEN")
    _raise_file_limit()
    metrics = Metrics()
    relay = Relay(dsn, metrics)

    async def mark_all() -> None:
        relay.hub.mark_all()

    listener = Listener(
        dsn,
        ["sonnette"],
        application_name="sonnette gateway listener",
        on_ring=relay.on_ring,
        on_listening=mark_all,
    )
    server = GatewayServer(
        relay.hub, Verifier(secret), Health(relay, listener, metrics), metrics, settings
    )
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(relay.run()), tasks.create_task(listener.run())]
        await server.run(listening, stop)
        for task in background:
            task.cancel()


def _required(settings: Settings) -> tuple[str, str]:
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL is not set; the gateway reads its users' feeds there")
    if settings.jwt_secret is None:
        raise SettingsError("SONNETTE_JWT_SECRET is not set; it verifies the users' tokens")
    return settings.database_url, settings.jwt_secret


def _raise_file_limit() -> None:
    """Each socket is a file; the soft limit is for programs that use select()."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> int:
    """`python -m gateway`, `sonnette gateway`."""
    return entry.main(serve)


if __name__ == "__main__":
    sys.exit(main())
