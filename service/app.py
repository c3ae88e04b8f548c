"""The service as one ASGI application: its routes, and what is answered where there is none.

Cross-origin requests are refused by browsers unless SONNETTE_CORS_ORIGINS lets their origin in.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.account import Accounts
from service.activations import Activations
from service.answers import problem_answer
from service.changes import ChangesFeed
from service.outcomes import FEED_SEQ
from service.page import Page
from service.parts import Parts
from service.problems import Problem, internal
from service.renewal import Renewal
from service.requests import Requests


def application(parts: Parts, secret: str | None, health: Sequence[Route] = ()) -> Starlette:
    """All routes over `parts`; `secret` signs the demo's tokens, and without one there are none."""
    routes = [
        *Accounts(parts).routes(),
        *Activations(parts).routes(),
        *Requests(parts).routes(),
        *ChangesFeed(parts).routes(),
        *(Renewal(parts, secret).routes() if parts.settings.demo and secret else []),
        *Page(parts.resources, parts.settings.gateway_listen).routes(),
        *health,
    ]
    app = Starlette(
        routes=routes,
        middleware=_cors(parts.settings.cors_origins),
        exception_handlers={HTTPException: _no_route},
    )
    app.router.redirect_slashes = False  # a redirected POST would lose its body
    return app


def _cors(origins: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Prefer"],
            expose_headers=[FEED_SEQ, "Location", "Retry-After"],
        )
    ]


async def _no_route(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, not with this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = (error.headers or {}) if isinstance(error, HTTPException) else {}
    match status:
        case 404:
            return problem_answer(Problem("not_found", "there is no such resource"))
        case 405:
            sentence = f"{request.method} is not possible here"
            return problem_answer(Problem("method_not_allowed", sentence, headers=headers))
        case _:
            return problem_answer(internal())
