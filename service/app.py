"""The service as one ASGI application: its routes, and what is answered where there is none.

Cross-origin requests are refused by browsers unless SONNETTE_CORS_ORIGINS lets their origin in.
"""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from service import headers
from service.account import Accounts
from service.activations import Activations
from service.answers import failure_answer, problem_answer
from service.changes import ChangesFeed
from service.description import Description
from service.events import Events
from service.front import AddressLimit, RequestIds
from service.functions import Functions
from service.metrics import Metrics
from service.page import Page
from service.parts import Parts
from service.problems import Problem, internal
from service.reader import Reader
from service.recovery import Recoveries
from service.renewal import Renewal
from service.requests import Requests
from service.webhooks import Webhooks

SUPABASE_HEADERS = ("apikey", "X-Client-Info")  # what supabase-js sends with every call
ALLOWED_HEADERS = (
    "Authorization",
    "Content-Type",
    headers.IDEMPOTENCY_KEY,
    headers.LAST_EVENT_ID,
    headers.PREFER,
    headers.REQUEST_ID,
    *SUPABASE_HEADERS,
)
EXPOSED_HEADERS = (
    headers.FEED_SEQ,
    headers.LOCATION,
    headers.RETRY_AFTER,
    headers.REPLAYED,
    headers.REQUEST_ID,
    headers.CHALLENGE,
)


def application(
    parts: Parts, metrics: Metrics, secret: str | None, health: Sequence[Route] = ()
) -> ASGIApp:
    """All routes over `parts`; `secret` signs the demo's tokens, and without one there are none."""
    reader = Reader(parts.database)
    routes = [
        *Accounts(parts).routes(),
        *Activations(parts).routes(),
        *Requests(parts).routes(),
        *Recoveries(parts).routes(),
        *Functions(parts).routes(),
        *Webhooks(parts, metrics).routes(),
        *ChangesFeed(parts, reader).routes(),
        *Events(parts, reader).routes(),
        *(Renewal(parts, secret).routes() if parts.settings.demo and secret else []),
        *Page(parts.resources, parts.settings).routes(),
        *Description(parts.resources).routes(),
        *health,
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            *_cors(parts.settings.cors_origins),
            Middleware(
                AddressLimit,
                allowances=parts.allowances,
                proxies=parts.settings.trusted_proxies,
            ),
        ],
        exception_handlers={HTTPException: _no_route, Exception: _mistake},
    )
    app.router.redirect_slashes = False  # a redirected POST would lose its body
    return RequestIds(app)


async def _mistake(request: Request, error: Exception) -> Response:
    """What was raised outside of the routes that guard themselves."""
    return failure_answer(request, error)


def _cors(origins: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CrossOrigin,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        )
    ]


class CrossOrigin(CORSMiddleware):
    """Starlette's, whose refusals are problem documents like everybody's."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to an OPTIONS request that asks what a page of that origin may do."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == HTTPStatus.OK:
            return answer
        refused = Problem("cross_origin_refused", bytes(answer.body).decode())
        return problem_answer(refused, {})


async def _no_route(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, not with this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    allow = (error.headers or {}) if isinstance(error, HTTPException) else {}
    match status:
        case 404:
            refused = Problem("not_found", "there is no such resource")
        case 405:
            sentence = f"{request.method} is not possible here"
            refused = Problem("method_not_allowed", sentence, headers=allow)
        case _:
            refused = internal()
    return problem_answer(refused, request.scope)
