"""/v1/activations/{id}/check, /cancel, /finish and /another: what a user asks of the provider.

Each is a row in sonnette.requests that the poller sees to; the answer waits for it as long as the
caller likes (`Prefer: wait=N`).
"""

from collections.abc import Callable
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.errors import DatabaseRefused, translated
from service import operations, outcomes, rows, waiting
from service.activations import named, seen
from service.answers import answer, read
from service.database import Connection
from service.outcomes import Seen
from service.parameters import wait_s
from service.parts import Parts
from service.payloads import Nothing
from service.writes import Asked, Write

CHECK_AGAIN_AFTER_S = 3.0  # a second check before that is answered from the row


class Requests:
    """Check, cancel, finish, another."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        route = self._parts.resources.route
        return [
            route({operations.CHECK: self._check}),
            route({operations.CANCEL: self._cancel}),
            route({operations.FINISH: self._finish}),
            route({operations.ANOTHER: self._another}),
        ]

    async def _check(self, request: Request) -> Response:
        user_id, activation_id, body = await self._demanded(request)

        async def ask(connection: Connection) -> Asked:
            return await ask_to_check(connection, user_id, activation_id)

        async def tell(asked: Asked) -> Response:
            found = await settled(self._parts, request, asked, outcomes.check_settled)
            return _answer(found, outcomes.of_check(found))

        write = Write(user_id, _route(activation_id, "check"), body, ask, tell)
        return await self._parts.writes.answered(request, write)

    async def _cancel(self, request: Request) -> Response:
        user_id, activation_id, body = await self._demanded(request)

        async def ask(connection: Connection) -> Asked:
            return await _ask_to_cancel(connection, user_id, activation_id)

        async def tell(asked: Asked) -> Response:
            found = await settled(self._parts, request, asked, outcomes.cancel_settled)
            return _answer(found, outcomes.of_cancel(found, self._parts.clock()))

        write = Write(user_id, _route(activation_id, "cancel"), body, ask, tell)
        return await self._parts.writes.answered(request, write)

    async def _finish(self, request: Request) -> Response:
        return await self._plain(request, "finish", outcomes.finish_settled, outcomes.of_finish)

    async def _another(self, request: Request) -> Response:
        return await self._plain(request, "another", outcomes.another_settled, outcomes.of_another)

    async def _plain(
        self,
        request: Request,
        kind: str,
        is_settled: Callable[[Seen], bool],
        status_of: Callable[[Seen], int],
    ) -> Response:
        """What is asked for once and answered by what came of it."""
        user_id, activation_id, body = await self._demanded(request)

        async def ask(connection: Connection) -> Asked:
            request_id = await rows.ask(connection, user_id, activation_id, kind)
            return Asked(user_id, activation_id, request_id)

        async def tell(asked: Asked) -> Response:
            found = await settled(self._parts, request, asked, is_settled)
            return _answer(found, status_of(found))

        write = Write(user_id, _route(activation_id, kind), body, ask, tell)
        return await self._parts.writes.answered(request, write)

    async def _demanded(self, request: Request) -> tuple[UUID, UUID, Nothing]:
        user_id = await self._parts.callers.user_of(request)
        body = await read(request, Nothing)
        return user_id, named(request), body


async def settled(
    parts: Parts, request: Request, asked: Asked, is_settled: Callable[[Seen], bool]
) -> Seen:
    """The activation once that is so, or as it is when the caller's wait is over."""

    async def look() -> Seen:
        return await seen(parts, asked.user_id, asked.activation_id, asked.request_id)

    names = [waiting.activation(asked.activation_id)]
    if asked.request_id is not None:
        names.append(waiting.request(asked.request_id))
    limit_s = wait_s(request.headers.getlist("prefer"))
    return await parts.settled_write(request, asked.user_id, names, look, is_settled, limit_s)


async def ask_to_check(connection: Connection, user_id: UUID, activation_id: UUID) -> Asked:
    """Ask the poller, unless it has answered just now; DatabaseRefused as sonnette.ask() says."""
    recent = await rows.answered_check(connection, user_id, activation_id, CHECK_AGAIN_AFTER_S)
    request_id = recent or await rows.ask(connection, user_id, activation_id, "check")
    return Asked(user_id, activation_id, request_id)


async def _ask_to_cancel(connection: Connection, user_id: UUID, activation_id: UUID) -> Asked:
    try:
        with translated():
            async with connection.transaction():
                request_id = await rows.ask(connection, user_id, activation_id, "cancel")
    except DatabaseRefused as refused:
        if refused.fields.get("status") != "cancelling":
            raise
        return Asked(user_id, activation_id)  # an operator has begun it: the same is wanted
    return Asked(user_id, activation_id, request_id)


def _route(activation_id: UUID, kind: str) -> str:
    return f"POST /v1/activations/{activation_id}/{kind}"


def _answer(found: Seen, status: int) -> Response:
    return answer(found.activation, status=status, headers=outcomes.headers(found))
