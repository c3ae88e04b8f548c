"""/v1/activations/{id}/recover: everything that the provider still knows of a number, read again.

Promised to users: it is possible whatever became of the number, never charges twice, and says what
it found: how many SMS and texts, and never a code that is not paid for.
"""

from dataclasses import dataclass
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service import operations, outcomes, payloads, rows, waiting
from service.activations import existing, named
from service.answers import answer, read
from service.database import Connection
from service.outcomes import Seen
from service.parameters import wait_s
from service.parts import Parts
from service.payloads import Found, Message, Nothing, Recovered
from service.writes import Asked, Write


@dataclass(frozen=True)
class Recovery:
    """What was seen of it, of one snapshot; `found` once the provider has answered."""

    seen: Seen
    messages: list[Message]
    found: Found | None

    @property
    def settled(self) -> bool:
        """Whether it is answered."""
        return outcomes.recovery_settled(self.seen)


class Recoveries:
    """Recovers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        return [self._parts.resources.route({operations.RECOVER: self._recover})]

    async def _recover(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        body, activation_id = await read(request, Nothing), named(request)

        async def ask(connection: Connection) -> Asked:
            return await ask_to_recover(connection, user_id, activation_id)

        async def tell(asked: Asked) -> Response:
            recovery = await recovered(self._parts, request, asked)
            status = outcomes.of_recovery(recovery.seen)
            shown = _shown(recovery)
            return answer(shown, status=status, headers=outcomes.headers(recovery.seen))

        route = f"POST /v1/activations/{activation_id}/recover"
        return await self._parts.writes.answered(request, Write(user_id, route, body, ask, tell))


async def ask_to_recover(connection: Connection, user_id: UUID, activation_id: UUID) -> Asked:
    """Ask the poller; DatabaseRefused as sonnette.ask() says."""
    request_id = await rows.ask(connection, user_id, activation_id, "recover")
    return Asked(user_id, activation_id, request_id)


async def recovered(parts: Parts, request: Request, asked: Asked) -> Recovery:
    """The recovery once it is answered, or as it is when the caller's wait is over."""

    async def look() -> Recovery:
        return await parts.database.read(lambda connection: _look(connection, asked))

    names = [waiting.request(asked.request_id)] if asked.request_id is not None else []
    limit_s = wait_s(request.headers.getlist("prefer"))
    return await parts.settled_write(
        request, asked.user_id, names, look, lambda recovery: recovery.settled, limit_s
    )


async def _look(connection: Connection, asked: Asked) -> Recovery:
    activation = existing(await rows.activation(connection, asked.user_id, asked.activation_id))
    messages = await rows.messages(connection, asked.user_id, asked.activation_id)
    position = await rows.position(connection, asked.user_id)
    if asked.request_id is None:
        raise RuntimeError("a recovery without a request")
    came = await rows.answered(connection, asked.user_id, asked.request_id)
    found = None if came.found is None else msgspec.json.decode(came.found, type=Found)
    return Recovery(Seen(activation, position.feed_seq, came.done, came.outcome), messages, found)


def _shown(recovery: Recovery) -> Recovered:
    whole = payloads.with_messages(recovery.seen.activation, recovery.messages)
    return Recovered(**msgspec.structs.asdict(whole), found=recovery.found)
