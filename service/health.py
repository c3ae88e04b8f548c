"""/livez, /readyz and /metrics of the service.

Ready means: the database answers, Sonnette is in it, the listener hears, and tokens can be
verified. What an operator has to mend in the database is a warning: the service goes on selling.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from db.errors import SonnetteError
from process.guard import Guard
from process.watch import Report, Watch
from service.answers import answer
from service.database import Database
from service.limits import Slots
from service.metrics import Metrics

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Readiness(msgspec.Struct, frozen=True):
    """What keeps this service from serving, a sentence each."""

    ready: bool
    problems: Sequence[str]
    warnings: Sequence[str]


class Health:
    """Asks the database, the watch and the guard."""

    def __init__(
        self, database: Database, watch: Watch, guard: Guard, slots: Slots, metrics: Metrics
    ) -> None:
        self._database = database
        self._watch = watch
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
        return [*problems, *self._known_problems()]

    def report(self) -> Report:
        """What sonnette.processes shows of this service."""
        return Report(self._known_problems(), {"waiting": self._slots.in_use})

    def _known_problems(self) -> list[str]:
        return [*self._watch.problems, *self._guard.problems()]

    async def _livez(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _readyz(self, _request: Request) -> Response:
        problems = await self.problems()
        self._metrics.ready.set(not problems)
        warnings = [*self._watch.unwatched, *self._watch.warnings]
        return answer(Readiness(not problems, problems, warnings), status=503 if problems else 200)

    async def _text(self, _request: Request) -> Response:
        self._metrics.ready.set(not self._known_problems())
        self._metrics.waiting.set(self._slots.in_use)
        self._metrics.tasks.set(len(asyncio.all_tasks()))
        return Response(self._metrics.text(), media_type=METRICS_TYPE)
