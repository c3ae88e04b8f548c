"""/livez, /readyz and /metrics of the service.

Ready means: the database answers, Sonnette is in it, the listener listens, and tokens can be
verified.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from db.errors import SonnetteError
from db.listener import Listener
from process.guard import Guard
from service.answers import answer
from service.database import Database
from service.limits import Slots
from service.metrics import Metrics

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Readiness(msgspec.Struct, frozen=True):
    """What keeps this service from serving, a sentence each."""

    ready: bool
    problems: Sequence[str]


class Health:
    """Asks the database, the listener and the guard."""

    def __init__(
        self, database: Database, listener: Listener, guard: Guard, slots: Slots, metrics: Metrics
    ) -> None:
        self._database = database
        self._listener = listener
        self._guard = guard
        self._slots = slots
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Not measured: probes would drown what users do."""
        return [
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
            Route("/metrics", self._text),
        ]

    async def problems(self) -> list[str]:
        """None while all is well."""
        problems = []
        try:
            await self._database.check()
        except SonnetteError as error:
            problems.append(str(error))
        if self._listener.problem is not None:
            problems.append(f"not listening: {self._listener.problem}")
        return [*problems, *self._guard.problems()]

    async def _livez(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _readyz(self, _request: Request) -> Response:
        problems = await self.problems()
        self._metrics.ready.set(not problems)
        return answer(Readiness(not problems, problems), status=503 if problems else 200)

    async def _text(self, _request: Request) -> Response:
        self._metrics.ready.set(self._listener.problem is None and not self._guard.problems())
        self._metrics.waiting.set(self._slots.in_use)
        self._metrics.tasks.set(len(asyncio.all_tasks()))
        return Response(self._metrics.text(), media_type=METRICS_TYPE)
