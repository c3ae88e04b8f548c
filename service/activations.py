"""/v1/activations: buying a number, and the user's own activations with their messages.

Promised to clients: a purchase that was asked for is never answered by an error of ours, and a list
comes with the feed's number of the same snapshot, from which a socket can go on without a gap.
"""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.errors import SonnetteError
from service import operations, outcomes, payloads, rows, waiting
from service.answers import answer, read
from service.database import Connection
from service.outcomes import Seen
from service.parameters import (
    MAX_LIMIT,
    ActivationsQuery,
    activation_cursor,
    activation_position,
    bounded,
    query,
    statuses,
    wait_s,
)
from service.parts import Parts
from service.payloads import Activation, ActivationWithMessages, Purchase
from service.problems import Problem
from service.writes import Asked, Write


class Activations:
    """Buy, list and look."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        route = self._parts.resources.route
        return [
            route({operations.ACTIVATIONS: self._list, operations.BUY: self._buy}),
            route({operations.ONE: self._one}),
        ]

    async def _buy(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        purchase = payloads.checked(await read(request, Purchase))

        async def ask(connection: Connection) -> Asked:
            bought = await rows.buy(connection, user_id, purchase)
            asked = Seen(bought, await rows.numbered(connection, user_id))
            return Asked(user_id, bought.id, seen=asked)

        async def tell(asked: Asked) -> Response:
            found = await self._bought(request, asked)
            status = outcomes.of_purchase(found)
            return answer(found.activation, status=status, headers=outcomes.headers(found))

        write = Write(user_id, "POST /v1/activations", purchase, ask, tell)
        return await self._parts.writes.answered(request, write)

    async def _bought(self, request: Request, asked: Asked) -> Seen:
        async def look() -> Seen:
            return await seen(self._parts, asked.user_id, asked.activation_id)

        limit_s = wait_s(request.headers.getlist("prefer"))
        names = [waiting.activation(asked.activation_id)]
        if limit_s == 0 and asked.seen is not None:
            return asked.seen
        try:
            return await self._parts.settled_write(
                request, asked.user_id, names, look, outcomes.purchase_settled, limit_s
            )
        except SonnetteError:
            if asked.seen is None:
                raise
            # The purchase stands; an error here would make the caller buy another.
            return asked.seen

    async def _list(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        asked = query(request.query_params.multi_items(), ActivationsQuery)
        limit = bounded("limit", asked.limit, 1, MAX_LIMIT)
        wanted, after = statuses(asked.status), activation_position(asked.after)

        async def page(connection: Connection) -> payloads.Activations:
            found = await rows.activations(connection, user_id, wanted, after, limit + 1)
            position = await rows.position(connection, user_id)
            items = found[:limit]
            return payloads.Activations(
                items=items,
                next=_cursor(items[-1]) if len(found) > limit else None,
                feed_seq=position.feed_seq,
                epoch=position.epoch,
            )

        return answer(await self._parts.database.read(page))

    async def _one(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        activation_id = named(request)

        async def look(connection: Connection) -> ActivationWithMessages:
            found = existing(await rows.activation(connection, user_id, activation_id))
            messages = await rows.messages(connection, user_id, activation_id)
            return payloads.with_messages(found, messages)

        return answer(await self._parts.database.read(look))


def named(request: Request) -> UUID:
    """The activation that the path names; Problem `unknown_activation` where it names none."""
    try:
        return UUID(request.path_params["activation_id"])
    except ValueError:
        raise unknown() from None


def existing(found: Activation | None) -> Activation:
    """The row, or Problem `unknown_activation`."""
    if found is None:
        raise unknown()
    return found


def unknown() -> Problem:
    """It does not exist, or is someone else's: the caller cannot tell which."""
    return Problem("unknown_activation", "no such activation")


async def seen(
    parts: Parts, user_id: UUID, activation_id: UUID, request_id: int | None = None
) -> Seen:
    """The activation, the feed's number and the request, of one snapshot."""

    async def look(connection: Connection) -> Seen:
        found = existing(await rows.activation(connection, user_id, activation_id))
        position = await rows.position(connection, user_id)
        if request_id is None:
            return Seen(found, position.feed_seq)
        request = await rows.answered(connection, user_id, request_id)
        return Seen(found, position.feed_seq, request.done, request.outcome)

    return await parts.database.read(look)


def _cursor(last: Activation) -> str:
    return activation_cursor(last.created_at, last.id)
