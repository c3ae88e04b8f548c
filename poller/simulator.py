"""A provider of our own over real HTTP: the embedded default of `run`, and the tests' partner.

Promised to its callers: `/stubs/handler_api.php` answers as SMS-Activate documents it, and `/sim/`
scripts it, lists its numbers, counts its calls and delivers an SMS by hand (docs/providers.md).
Promised to `sonnette simulator`: serve_simulator() runs until it is told to stop.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from poller import script, simulated_api
from poller.script import Fault, Script, ScriptError
from poller.simulated import (
    SERVICES,
    Delivery,
    Denied,
    Number,
    NumberIsOver,
    SimulatedProvider,
)
from process import entry, http, shutdown
from process.settings import Settings

MAX_BODY_BYTES = 65_536
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"

Clock = Callable[[], datetime]


class BodyTooLong(Exception):
    """The request's body is over MAX_BODY_BYTES."""


class HandSms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An SMS to deliver by hand. Without `code` it is read from the text, as providers do."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class Simulator:
    """The HTTP side of one SimulatedProvider; `clock` gives the time, aware."""

    def __init__(self, provider: SimulatedProvider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock

    def app(self) -> Starlette:
        number = "/sim/numbers/{number}/sms"
        return Starlette(
            routes=[
                Route("/stubs/handler_api.php", self.handler_api, methods=["GET", "POST"]),
                Route("/sim/script", self.add_script, methods=["POST"]),
                Route("/sim/script", self.forget_scripts, methods=["DELETE"]),
                Route("/sim/numbers", self.numbers),
                Route(number, self.deliver, methods=["POST"]),
                Route("/sim/calls", self.calls),
                Route("/livez", self.livez),
            ],
            exception_handlers={BodyTooLong: _too_long},
        )

    async def handler_api(self, request: Request) -> Response:
        params = dict(request.query_params)
        if request.method == "POST":
            params = {
                **dict(parse_qsl((await _body(request)).decode("utf-8", "replace"))),
                **params,
            }
        refusal = simulated_api.refusal(params)
        if refusal is not None:
            return _as_provider(refusal)
        action = params["action"]
        self._provider.calls[action] += 1
        fault = self._provider.fault_for(action, self._service(params))
        if fault is None:
            return _as_provider(self._answer(params))
        answer = self._answer(params) if fault.applied or fault.only_slow else ""
        if fault.timeout_s is not None:
            await asyncio.sleep(fault.timeout_s)
        return _as_provider(answer) if fault.only_slow else _failing(fault)

    def _answer(self, params: Mapping[str, str]) -> str:
        return simulated_api.answer(self._provider, params, self._clock())

    def _service(self, params: Mapping[str, str]) -> str | None:
        """The service that a call is about: its own parameter, or that of its number."""
        try:
            number = self._provider.find(params.get("id", ""), self._clock())
        except Denied:
            return params.get("service")
        return number.service

    async def add_script(self, request: Request) -> Response:
        try:
            added = script.parse(await _body(request))
        except ScriptError as error:
            return _problem(400, str(error))
        problem = _unknown_names(added)
        if problem is not None:
            return _problem(400, problem)
        self._provider.script(added)
        return Response(status_code=204)

    async def forget_scripts(self, _request: Request) -> Response:
        self._provider.forget_scripts()
        return Response(status_code=204)

    async def numbers(self, _request: Request) -> Response:
        numbers = self._provider.numbers(self._clock())
        return JSONResponse({"items": [_shown(number) for number in numbers]})

    async def deliver(self, request: Request) -> Response:
        now = self._clock()
        try:
            sms = msgspec.json.decode(await _body(request), type=HandSms)
            number = self._find(request.path_params["number"], now)
            delivered = self._provider.deliver(number, sms.text, sms.code, now)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _problem(400, f'the SMS must be {{"text": ..., "code": ...}}: {error}')
        except Denied:
            return _problem(404, "there is no number with that id or phone")
        except NumberIsOver as error:
            return _problem(409, str(error))
        return JSONResponse(_shown_sms(delivered), status_code=201)

    def _find(self, id_or_phone: str, now: datetime) -> Number:
        try:
            return self._provider.find(id_or_phone, now)
        except Denied:
            return self._provider.find_by_phone(id_or_phone.lstrip("+"), now)

    async def calls(self, _request: Request) -> Response:
        return JSONResponse(dict(self._provider.calls))

    async def livez(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLong
    return bytes(body)


async def _too_long(_request: Request, _error: Exception) -> Response:
    return _problem(413, f"the body is over {MAX_BODY_BYTES} bytes")


def _failing(fault: Fault) -> Response:
    status = fault.http_status or 200
    body = fault.error if fault.error is not None else HTML.format(f"{status} Out of order")
    return _as_provider(body, status, fault.retry_after_s)


def _as_provider(body: str, status: int = 200, retry_after_s: int | None = None) -> Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    # Providers of this family serve words and JSON alike as text/html.
    return Response(body, status, headers, media_type="text/html")


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=status)


def _unknown_names(added: Script) -> str | None:
    if added.service not in (None, *SERVICES):
        return f"service must be one of {', '.join(SERVICES)}"
    if added.action not in (None, *simulated_api.ACTIONS):
        return f"action must be one of {', '.join(simulated_api.ACTIONS)}"
    return None


def _shown(number: Number) -> dict[str, object]:
    return {
        "id": number.id,
        "phone": number.phone,
        "service": number.service,
        "country": number.country,
        "order_id": number.reference,
        "state": number.state,
        "bought_at": number.bought_at.isoformat(),
        "expires_at": number.expires_at.isoformat(),
        "sms": [_shown_sms(sms) for sms in number.sms],
    }


def _shown_sms(sms: Delivery) -> dict[str, object]:
    return {"at": sms.at.isoformat(), "code": sms.code, "text": sms.text}


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
