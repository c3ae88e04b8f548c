"""Bodies in and answers out: bounded reading, JSON, problems, and the routes that count themselves.

Promised to callers: a body over 64 KiB is refused without reading on, chunked or not; whatever goes
wrong is a problem document, never a traceback. Promised to the log: it has the traceback, and no
line of it comes from a caller's body or headers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from db.errors import SonnetteError
from service.metrics import Metrics
from service.operations import Operation
from service.parameters import query
from service.payloads import decode
from service.problems import Problem, from_database, internal

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=msgspec.Struct)
Endpoint = Callable[[Request], Awaitable[Response]]

FUNCTIONS = "/functions/v1/"
MAX_BODY_BYTES = 65_536
LINGER_BYTES = 1_048_576
LINGER_S = 1.0
NEVER_STORED = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answer(
    payload: msgspec.Struct, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The payload as JSON."""
    return Response(
        msgspec.json.encode(payload),
        status,
        {**NEVER_STORED, **(headers or {})},
        "application/json",
    )


def request_id_of(scope: Scope) -> str | None:
    """The name that service/front.py gave to this request."""
    found = scope.get("state", {}).get("request_id")
    return None if found is None else str(found)


def problem_answer(problem: Problem, scope: Scope) -> Response:
    """The refusal as `application/problem+json`, naming the request."""
    kind = _LastWord if problem.code == "body_too_large" else Response
    headers = {**NEVER_STORED, **problem.headers}
    body = problem.body(request_id_of(scope), _for_functions(problem, scope))
    return kind(body, problem.status.value, headers, "application/problem+json")


def _for_functions(problem: Problem, scope: Scope) -> Mapping[str, object]:
    """What callers of functions read of a refusal."""
    if not str(scope.get("path", "")).startswith(FUNCTIONS):
        return {}
    return {"success": False, "error": str(problem)}


async def read(request: Request, kind: type[T]) -> T:
    """The body as that struct; a Problem where it is too large, not JSON, or not that."""
    body = await read_bytes(request)
    if not body and kind.__struct_fields__ == ():
        return kind()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem("unsupported_media_type", "send JSON, with Content-Type: application/json")
    return decode(body, kind)


async def read_bytes(request: Request) -> bytes:
    """The body as it came; Problem `body_too_large`, or `malformed` where it broke off."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _too_large()
    except ClientDisconnect:
        raise Problem("malformed", "the body ended too early") from None
    return bytes(body)


def _too_large() -> Problem:
    return Problem(
        "body_too_large",
        f"a body has at most {MAX_BODY_BYTES} bytes",
        headers={"Connection": "close"},
    )


class _LastWord(Response):
    """An answer to a request that is still being sent: said at once, then the connection closes.

    Closing with unread bytes would reset the connection and take the answer with it, so a little
    more is read and thrown away first.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await _linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(receive: Receive) -> None:
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_S):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                left -= len(message["body"])
    except TimeoutError:
        return


class Resources:
    """Makes routes: each measured, each turning what it raises into a problem document."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.operations: list[Operation] = []

    def route(self, endpoints: Mapping[Operation, Endpoint]) -> Route:
        """The resource of these operations, which share their path."""
        [path] = {operation.path for operation in endpoints}
        self.operations += endpoints
        by_method = {operation.method: operation for operation in endpoints}

        async def answered(request: Request) -> Response:
            # Starlette answers HEAD wherever there is GET.
            operation = by_method.get(request.method) or by_method["GET"]
            query(request.query_params.multi_items(), operation.query)
            return await endpoints[operation](request)

        return Route(path, self._measured(path, answered), methods=list(by_method))

    def page(self, path: str, endpoint: Endpoint) -> Route:
        """A resource for browsers, which is no part of the API."""
        return Route(path, self._measured(path, endpoint), methods=["GET"])

    def _measured(self, path: str, endpoint: Endpoint) -> Endpoint:
        async def handle(request: Request) -> Response:
            started = time.monotonic()
            request.scope.setdefault("state", {})["route"] = path
            response = await _guarded(endpoint, request)
            elapsed_s = time.monotonic() - started
            self._metrics.request(request.method, path, response.status_code, elapsed_s)
            return response

        return handle


async def _guarded(endpoint: Endpoint, request: Request) -> Response:
    try:
        if _declared_length(request) > MAX_BODY_BYTES:
            raise _too_large()
        return await endpoint(request)
    except Exception as error:
        return failure_answer(request, error)


def failure_answer(request: Request, error: Exception) -> Response:
    """The problem document for whatever an endpoint raised; what is ours to mend is logged."""
    if isinstance(error, Problem):
        refusal = error
    elif isinstance(error, SonnetteError):
        refusal = from_database(error, datetime.now(UTC))
        if refusal.status >= 500:
            # Not the path: that of a webhook has a secret in it.
            route = request.scope.get("state", {}).get("route")
            log.warning("a request failed: %s", error, route=route)
    else:
        log.error("a request failed by a mistake of ours", exc_info=error)
        refusal = internal()
    return problem_answer(refusal, request.scope)


def _declared_length(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() and len(text) < 20 else 0
