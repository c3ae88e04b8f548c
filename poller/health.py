"""/livez, /readyz and /metrics of the poller.

Ready means: the listener listens, and every account is held, on a connection that answers, and has
a price list.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from db.listener import Listener
from poller.metrics import Metrics
from poller.worker import AccountWorker

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Answers from the facts that the workers and the listener keep."""

    def __init__(
        self, listener: Listener, workers: Sequence[AccountWorker], metrics: Metrics
    ) -> None:
        self._listener = listener
        self._workers = workers
        self._metrics = metrics

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/livez", self._livez),
                Route("/readyz", self._readyz),
                Route("/metrics", self._text),
            ]
        )

    def problems(self) -> list[str]:
        """What keeps this poller from its work, a sentence each; none while all is well."""
        problems = [worker.problem for worker in self._workers]
        if self._listener.problem is not None:
            problems.append(f"not listening: {self._listener.problem}")
        return [problem for problem in problems if problem is not None]

    async def _livez(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _readyz(self, _request: Request) -> Response:
        problems = self.problems()
        body = {"ready": not problems, "problems": problems}
        return JSONResponse(body, status_code=503 if problems else 200)

    async def _text(self, _request: Request) -> Response:
        self._metrics.ready.set(not self.problems())
        return Response(self._metrics.text(), media_type=METRICS_TYPE)
