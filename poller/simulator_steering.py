"""The side of the simulator by which it is steered and looked at: everything under /sim/.

Promised to those who test with it: what is wrong in a script, in rates or in a webhook is a 400
that says what; nothing here counts as a call of a provider (docs/providers.md).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from poller import script, simulated_chaos, simulated_webhooks
from poller.script import ScriptError
from poller.simulated import Delivery, Denied, Number, NumberIsOver
from poller.simulated_accounts import Accounts

MAX_BODY_BYTES = 65_536


class BodyTooLong(Exception):
    """The request's body is over MAX_BODY_BYTES."""


class HandSms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An SMS to deliver by hand. Without `code` it is read from the text, as providers do."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class Steering:
    """Steers `accounts`; `clock` gives the time, aware."""

    def __init__(self, accounts: Accounts, clock: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            Route("/sim/script", self.add_script, methods=["POST"]),
            Route("/sim/script", self.forget_scripts, methods=["DELETE"]),
            Route("/sim/chaos", self.set_chaos, methods=["POST"]),
            Route("/sim/chaos", self.end_chaos, methods=["DELETE"]),
            Route("/sim/webhook", self.set_webhook, methods=["POST"]),
            Route("/sim/webhook", self.forget_webhooks, methods=["DELETE"]),
            Route("/sim/webhook", self.webhooks),
            Route("/sim/numbers", self.numbers),
            Route("/sim/numbers/{number}/sms", self.deliver, methods=["POST"]),
            Route("/sim/calls", self.calls),
        ]

    async def add_script(self, request: Request) -> Response:
        return await self._told(request, lambda body: self._accounts.script(script.parse(body)))

    async def forget_scripts(self, _request: Request) -> Response:
        self._accounts.forget_scripts()
        return Response(status_code=204)

    async def set_chaos(self, request: Request) -> Response:
        return await self._told(
            request, lambda body: self._accounts.chaos(simulated_chaos.parse(body))
        )

    async def end_chaos(self, _request: Request) -> Response:
        self._accounts.chaos(simulated_chaos.Rates())
        return Response(status_code=204)

    async def set_webhook(self, request: Request) -> Response:
        return await self._told(
            request, lambda body: self._accounts.outbox.set(simulated_webhooks.parse(body))
        )

    async def forget_webhooks(self, _request: Request) -> Response:
        self._accounts.outbox.clear()
        return Response(status_code=204)

    async def webhooks(self, _request: Request) -> Response:
        outbox = self._accounts.outbox
        counts = {"delivered": outbox.delivered, "failed": outbox.failed}
        return JSONResponse({**counts, "given_up": outbox.given_up})

    async def _told(self, request: Request, follow: Callable[[bytes], None]) -> Response:
        try:
            follow(await body_of(request))
        except ScriptError as error:
            return _problem(400, str(error))
        return Response(status_code=204)

    async def numbers(self, _request: Request) -> Response:
        numbers = self._accounts.numbers(self._clock())
        return JSONResponse({"items": [_shown(*number) for number in numbers]})

    async def deliver(self, request: Request) -> Response:
        number = request.path_params["number"]
        try:
            sms = msgspec.json.decode(await body_of(request), type=HandSms)
            delivered = self._accounts.deliver(number, sms.text, sms.code, self._clock())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _problem(400, f'the SMS must be {{"text": ..., "code": ...}}: {error}')
        except Denied:
            return _problem(404, "there is no number with that id or phone")
        except NumberIsOver as error:
            return _problem(409, str(error))
        return JSONResponse(_shown_sms(delivered), status_code=201)

    async def calls(self, request: Request) -> Response:
        dialect = request.query_params.get("dialect")
        if dialect is None:
            return JSONResponse(self._accounts.all_calls())
        calls = self._accounts.calls()
        if dialect not in calls:
            return _problem(404, f"dialect must be one of {', '.join(calls)}")
        return JSONResponse(calls[dialect])


async def body_of(request: Request) -> bytes:
    """The request's body; BodyTooLong."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLong
    return bytes(body)


async def too_long(_request: Request, _error: Exception) -> Response:
    return _problem(413, f"the body is over {MAX_BODY_BYTES} bytes")


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=status)


def _shown(dialect: str, number: Number) -> dict[str, object]:
    return {
        "id": number.id,
        "dialect": dialect,
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
