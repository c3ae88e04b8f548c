"""/livez, /readyz and /metrics of the poller.

Ready means: the listener hears, and every account is held, on a connection that answers, and has a
price list. What an operator has to mend in the database is a warning: codes are still brought in.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from poller.metrics import Metrics
from poller.worker import AccountWorker
from process.watch import Report, Watch

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Answers from the facts that the workers and the watch keep."""

    def __init__(self, watch: Watch, workers: Sequence[AccountWorker], metrics: Metrics) -> None:
        self._watch = watch
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
        found = [worker.problem for worker in self._workers]
        return [*(problem for problem in found if problem is not None), *self._watch.problems]

    def report(self) -> Report:
        """What sonnette.processes shows of this poller."""
        return Report(self.problems(), {"accounts": len(self._workers)})

    async def _livez(self, _request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def _readyz(self, _request: Request) -> Response:
        problems = self.problems()
        warnings = [*self._watch.unwatched, *self._watch.warnings]
        body = {"ready": not problems, "problems": problems, "warnings": warnings}
        return JSONResponse(body, status_code=503 if problems else 200)

    async def _text(self, _request: Request) -> Response:
        self._metrics.ready.set(not self.problems())
        return Response(self._metrics.text(), media_type=METRICS_TYPE)
