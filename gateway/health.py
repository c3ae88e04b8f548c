"""/livez, /readyz and /metrics on the gateway's own port, over plain HTTP.

A gateway is for the feed: what keeps changes from getting a number makes it unready. What only
delays them is a warning.
"""

import asyncio
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from gateway.metrics import Metrics
from gateway.protocol import dumps
from gateway.relay import Relay
from process.guard import Guard
from process.watch import Report, Watch


class Health:
    """Answers from the facts that the tests wait for, too."""

    def __init__(self, relay: Relay, watch: Watch, guard: Guard, metrics: Metrics) -> None:
        self._relay = relay
        self._watch = watch
        self._guard = guard
        self._metrics = metrics

    def problems(self) -> list[str]:
        """What keeps this gateway from delivering, a sentence each; none while all is well."""
        return [
            *self._relay.problems,
            *self._watch.problems,
            *self._watch.unwatched,
            *self._guard.problems(),
        ]

    def report(self) -> Report:
        """What sonnette.processes shows of this gateway."""
        hub = self._relay.hub
        facts = {"sockets": self._metrics.open_sockets, "users": hub.users, "behind": hub.behind}
        return Report(self.problems(), facts)

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
        said = {"ready": not problems, "problems": problems, "warnings": self._watch.warnings}
        body = dumps(said) + "\n"
        return _typed(connection.respond(status, body), "application/json")


def _typed(response: Response, content_type: str) -> Response:
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = content_type
    return response
