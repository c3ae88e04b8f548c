"""What every request passes first: its id, and the allowance of the address that it comes from.

Promised: each answer has an `X-Request-Id`, the caller's own where that is sane; each log line and
each problem document of the request has it too. Behind a proxy that is trusted the address is the
one that it names, and `request.state.address` has it. Probes are never refused.
"""

import re
import time
from collections.abc import Sequence
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from process.addresses import client_address, networks
from service.allowances import Allowances
from service.answers import problem_answer
from service.headers import REQUEST_ID
from service.problems import Problem

PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_SANE = re.compile(r"[\x20-\x7e]{1,128}")


class RequestIds:
    """Names each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = chosen(Headers(scope=scope).getlist(REQUEST_ID))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_named)


def chosen(given: list[str]) -> str:
    """The caller's id, if it is one id of 1 to 128 printable ASCII characters; else a new one."""
    if len(given) == 1 and _SANE.fullmatch(given[0]):
        return given[0]
    return uuid4().hex


class AddressLimit:
    """Refuses an address that asks for more than its allowance, before anything else is done."""

    def __init__(self, app: ASGIApp, allowances: Allowances, proxies: Sequence[str]) -> None:
        self._app = app
        self._allowances = allowances
        self._proxies = networks(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES and scope.get("client"):
            address = self._address(scope)
            scope.setdefault("state", {})["address"] = address
            try:
                self._allowances.spend_address(address, time.monotonic())
            except Problem as problem:
                answer = problem_answer(problem, scope)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _address(self, scope: Scope) -> str:
        """Who is behind the proxies; the last of them where they do not say."""
        peer: str = scope["client"][0]
        forwarded = ",".join(Headers(scope=scope).getlist("X-Forwarded-For"))
        return client_address(peer, forwarded, self._proxies) or peer
