"""/livez, /readyz and /metrics on the gateway's own port, over plain HTTP."""

import asyncio
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from db.listener import Listener
from gateway.metrics import Metrics
from gateway.protocol import dumps
from gateway.relay import Relay
from process.guard import Guard


class Health:
    """Answers from the facts that the tests wait for, too."""

    def __init__(self, relay: Relay, listener: Listener, guard: Guard, metrics: Metrics) -> None:
        self._relay = relay
        self._listener = listener
        self._guard = guard
        self._metrics = metrics

    def problems(self) -> list[str]:
        """What keeps this gateway from delivering, a sentence each; none while all is well."""
        problems = list(self._relay.problems)
        if self._listener.problem is not None:
            problems.append(f"not listening: {self._listener.problem}")
        return [*problems, *self._guard.problems()]

    def respond(self, connection: ServerConnection, path: str) -> Response | None:
        """The answer for a health path, None for any other."""
        match path:
            case "/livez":
                return connection.respond(HTTPStatus.OK, "alive\n")
            case "/readyz":
                return self._readyz(connection)
            case "/metrics":
                self._metrics.ready.set(not self.problems())
                self._metrics.tasks.set(len(asyncio.all_tasks()))
                response = connection.respond(HTTPStatus.OK, self._metrics.text())
                return _typed(response, "text/plain; version=0.0.4; charset=utf-8")
            case _:
                return None

    def _readyz(self, connection: ServerConnection) -> Response:
        problems = self.problems()
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        body = dumps({"ready": not problems, "problems": problems}) + "\n"
        return _typed(connection.respond(status, body), "application/json")


def _typed(response: Response, content_type: str) -> Response:
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = content_type
    return response
