"""A provider of our own over real HTTP: the embedded default of `run`, and the tests' partner.

Promised to its callers: `/stubs/handler_api.php` answers as the provider of the api_key's dialect
documents it, `/v1/` as 5sim does, and `/sim/` steers it (simulator_steering.py, docs/providers.md).
Promised to `sonnette simulator`: serve_simulator() runs until it is told to stop.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from poller import simulated_api, simulated_five_sim
from poller.script import Fault
from poller.simulated import Denied, SimulatedProvider
from poller.simulated_accounts import FIVE_SIM, Accounts
from poller.simulated_manners import Said
from poller.simulator_posts import Posts
from poller.simulator_steering import BodyTooLong, Steering, body_of, too_long
from process import entry, http, shutdown
from process.settings import Settings

HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"

Clock = Callable[[], datetime]


class Simulator:
    """The HTTP side of `provider`, an account of SMS-Activate's dialect, and of one of each other.

    `clock` gives the time, aware.
    """

    def __init__(self, provider: SimulatedProvider, clock: Clock) -> None:
        self.accounts = Accounts(provider)
        self._clock = clock

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/stubs/handler_api.php", self.handler_api, methods=["GET", "POST"]),
                Route("/v1/{path:path}", self.five_sim),
                Route("/livez", self.livez),
                *Steering(self.accounts, self._clock).routes(),
            ],
            exception_handlers={BodyTooLong: too_long},
            lifespan=self._sending,
        )

    @asynccontextmanager
    async def _sending(self, _app: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(Posts(self.accounts.outbox, self._clock).run())
            try:
                yield
            finally:
                sending.cancel()

    async def handler_api(self, request: Request) -> Response:
        params = await _params(request)
        manners = simulated_api.manners_of(params)
        if isinstance(manners, Said):
            return _sent(manners)
        if request.method == "POST" and not manners.takes_post:
            return _sent(Said("Method Not Allowed", 405))
        provider = self.accounts.of[manners.dialect]

        def answer() -> Said:
            return simulated_api.answer(provider, params, self._clock(), manners)

        action = params.get("action", "")
        if action not in manners.actions:
            return _sent(answer())
        return await self._served(provider, action, self._service(provider, params), answer)

    async def five_sim(self, request: Request) -> Response:
        provider = self.accounts.of[FIVE_SIM]
        path, params = tuple(request.path_params["path"].split("/")), dict(request.query_params)
        authorization = request.headers.get("authorization")

        def answer() -> Said:
            return simulated_five_sim.answer(provider, path, params, authorization, self._clock())

        action = simulated_five_sim.action_of(path)
        if (path[0], action) not in simulated_five_sim.ACTIONS:
            return _sent(answer())
        service = simulated_five_sim.service_of(provider, path, self._clock())
        return await self._served(provider, action, service, answer)

    async def _served(
        self,
        provider: SimulatedProvider,
        action: str,
        service: str | None,
        answer: Callable[[], Said],
    ) -> Response:
        provider.calls[action] += 1
        fault = provider.fault_for(action, service) or provider.chaos.fault(action)
        if fault is None:
            delay_s, said = provider.chaos.delay_s(action), answer()
            said = replace(said, body=provider.chaos.spoiled(action, said.body))
            await asyncio.sleep(delay_s)
            return _sent(said)
        said = answer() if fault.applied or fault.only_slow else Said("")
        if fault.timeout_s is not None:
            await asyncio.sleep(fault.timeout_s)
        return _sent(said) if fault.only_slow else _failing(fault)

    def _service(self, provider: SimulatedProvider, params: Mapping[str, str]) -> str | None:
        """The service that a call is about: its own parameter, or that of its number."""
        try:
            number = provider.find(params.get("id", ""), self._clock())
        except Denied:
            return params.get("service")
        return number.service

    async def livez(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")


async def _params(request: Request) -> dict[str, str]:
    params = dict(request.query_params)
    if request.method == "POST":
        form = (await body_of(request)).decode("utf-8", "replace")
        params = {**dict(parse_qsl(form)), **params}
    return params


def _failing(fault: Fault) -> Response:
    status = fault.http_status or 200
    body = fault.error if fault.error is not None else HTML.format(f"{status} Out of order")
    response = _sent(Said(body, status))
    if fault.retry_after_s is not None:
        response.headers["Retry-After"] = str(fault.retry_after_s)
    return response


def _sent(said: Said) -> Response:
    return Response(said.body, said.http_status, media_type=said.media_type)


def utc_now() -> datetime:
    """The clock of a simulator that runs by itself."""
    return datetime.now(UTC)


def new_provider(now: datetime, seed: int | None = None) -> SimulatedProvider:
    """A provider whose ids go on rising over restarts, because order ids are kept for ever."""
    return SimulatedProvider(random.Random(seed), first_id=int(now.timestamp()) * 1000)  # noqa: S311


async def serve_simulator(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT on the address of SONNETTE_SIMULATOR_LISTEN."""
    app = Simulator(new_provider(utc_now()), utc_now).app()
    stop = shutdown.stop_on_signals()
    setting = "SONNETTE_SIMULATOR_LISTEN"
    await http.serve(app, settings.simulator_listen, setting=setting, stop=stop)


def main() -> int:
    """Run the simulator with the environment's settings; the exit code."""
    return entry.main(serve_simulator)
