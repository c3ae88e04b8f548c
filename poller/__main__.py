"""The poller process: one listener, one worker and one connection for each account, one port for
health and metrics.

It does not begin without a migrated database; once it runs, it outlives the loss of one.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

import httpx

from db.connect import connect
from db.errors import translated
from db.queries import queries
from poller import accounts
from poller.accounts import Account
from poller.health import Health
from poller.metrics import Metrics
from poller.providers.base import Provider
from poller.providers.clients import client_for
from poller.providers.http import http_client
from poller.session import Fence
from poller.strangers import STRANGE_FOR_S
from poller.worker import AccountWorker
from process import entry, http
from process.settings import Settings, SettingsError
from process.shutdown import stop_on_signals
from process.watch import Watch


async def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT. SettingsError or SonnetteError where it cannot begin."""
    await serve_until(stop_on_signals(), settings)


async def serve_until(
    stop: asyncio.Event,
    settings: Settings,
    fence: Fence | None = None,
    served: Sequence[Account] | None = None,
    strange_for_s: float = STRANGE_FOR_S,
) -> None:
    """Work until `stop` is set, then end what is under way, within 10 s.

    `served`: the accounts, where they are not those of the settings. `strange_for_s`: how long a
    number may be listed and unknown before it counts as an orphan.
    """
    dsn = _database_url(settings)
    served = served or accounts.load(settings)
    metrics = Metrics()
    await _check(dsn)
    async with AsyncExitStack() as clients:
        workers = []
        for account in served:
            client = await clients.enter_async_context(http_client(account.url))
            provider = _provider(account, client, metrics)
            worker = AccountWorker(account, provider, dsn, metrics, fence, strange_for_s)
            workers.append(worker)
        watch = Watch(
            "poller",
            dsn,
            ["sonnette_work"],
            on_ring=lambda _channel, _payload: _wake(workers),
            on_listening=lambda: _wake_soon(workers),
            registry=metrics.registry,
        )
        await _run(stop, settings, watch, workers, metrics)


async def _run(
    stop: asyncio.Event,
    settings: Settings,
    watch: Watch,
    workers: list[AccountWorker],
    metrics: Metrics,
) -> None:
    health = Health(watch, workers, metrics)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch.run(health.report))
        working = [tasks.create_task(worker.run(stop)) for worker in workers]
        setting = "SONNETTE_POLLER_LISTEN"
        await http.serve(health.app(), settings.poller_listen, setting=setting, stop=stop)
        await asyncio.wait(working)
        watching.cancel()


def _provider(account: Account, client: httpx.AsyncClient, metrics: Metrics) -> Provider:
    return client_for(
        account.speaks,
        client,
        url=account.url,
        api_key=account.api_key,
        observe=metrics.observer(account.name),
    )


def _wake(workers: list[AccountWorker]) -> None:
    # A ring may be lost, doubled or forged: it only says that looking may be worth while.
    for worker in workers:
        worker.wake()


async def _wake_soon(workers: list[AccountWorker]) -> None:
    _wake(workers)


async def _check(dsn: str) -> None:
    """A sentence now rather than a log that repeats it."""
    connection = await connect(dsn, application_name="sonnette poller")
    try:
        with translated():
            nobody = {"account": "", "busy": [], "purchases": True}
            await connection.execute(queries["work_next"], nobody)
    finally:
        await connection.close()


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL is not set; the poller finds its work there")
    return settings.database_url


def main() -> int:
    """`python -m poller`, `sonnette poller`."""
    return entry.main(serve)


if __name__ == "__main__":
    sys.exit(main())
