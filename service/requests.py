"""/v1/activations/{id}/check, /cancel and /finish: what a user asks of the provider.

Each is a row in sonnette.requests that the poller sees to; the answer waits for it as long as the
caller likes (`Prefer: wait=N`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.errors import DatabaseRefused
from service import outcomes, rows, waiting
from service.activations import named, seen
from service.answers import answer, read
from service.database import Connection
from service.outcomes import Seen
from service.parameters import wait_s
from service.parts import Parts
from service.payloads import Nothing

CHECK_AGAIN_AFTER_S = 3.0  # a second check before that is answered from the row


@dataclass(frozen=True)
class Demand:
    """One call: who wants what of which activation. `request_id` None: of no request of its own."""

    user_id: UUID
    activation_id: UUID
    request_id: int | None = None


class Requests:
    """Check, cancel, finish."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        route = self._parts.resources.route
        return [
            route("/v1/activations/{activation_id}/check", POST=self._check),
            route("/v1/activations/{activation_id}/cancel", POST=self._cancel),
            route("/v1/activations/{activation_id}/finish", POST=self._finish),
        ]

    async def _check(self, request: Request) -> Response:
        user_id, activation_id = await self._demanded(request)

        async def ask(connection: Connection) -> int:
            recent = await rows.answered_check(
                connection, user_id, activation_id, CHECK_AGAIN_AFTER_S
            )
            return recent or await rows.ask(connection, user_id, activation_id, "check")

        request_id = await self._parts.database.write(user_id, ask)
        demand = Demand(user_id, activation_id, request_id)
        found = await self._settled(request, demand, outcomes.check_settled)
        return _answer(found, outcomes.of_check(found))

    async def _cancel(self, request: Request) -> Response:
        user_id, activation_id = await self._demanded(request)
        try:
            request_id: int | None = await self._asked(user_id, activation_id, "cancel")
        except DatabaseRefused as refused:
            if refused.fields.get("status") != "cancelling":
                raise
            request_id = None  # an operator has begun it: the same is wanted
        demand = Demand(user_id, activation_id, request_id)
        found = await self._settled(request, demand, outcomes.cancel_settled)
        return _answer(found, outcomes.of_cancel(found, self._parts.clock()))

    async def _finish(self, request: Request) -> Response:
        user_id, activation_id = await self._demanded(request)
        request_id = await self._asked(user_id, activation_id, "finish")
        demand = Demand(user_id, activation_id, request_id)
        found = await self._settled(request, demand, outcomes.finish_settled)
        return _answer(found, outcomes.of_finish(found))

    async def _demanded(self, request: Request) -> tuple[UUID, UUID]:
        user_id = await self._parts.callers.user_of(request)
        await read(request, Nothing)
        return user_id, named(request)

    async def _asked(self, user_id: UUID, activation_id: UUID, kind: str) -> int:
        async def ask(connection: Connection) -> int:
            return await rows.ask(connection, user_id, activation_id, kind)

        return await self._parts.database.write(user_id, ask)

    async def _settled(
        self, request: Request, demand: Demand, is_settled: Callable[[Seen], bool]
    ) -> Seen:
        async def look() -> Seen:
            return await seen(self._parts, demand.user_id, demand.activation_id, demand.request_id)

        names = [waiting.activation(demand.activation_id)]
        if demand.request_id is not None:
            names.append(waiting.request(demand.request_id))
        limit_s = wait_s(request.headers.getlist("prefer"))
        return await self._parts.settled_write(
            request, demand.user_id, names, look, is_settled, limit_s
        )


def _answer(found: Seen, status: int) -> Response:
    return answer(found.activation, status=status, headers=outcomes.headers(found))
