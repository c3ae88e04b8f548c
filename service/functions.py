"""/functions/v1/...: the two calls that front ends make by `supabase.functions.invoke`.

Promised to such front ends, which need no change: the names, the bodies and the answers
`{success, data: {status, sms_code, sms_text, charged}}`. Behind them are a check and a recovery,
with the same token, the same rules and the same money as /v1.
"""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.errors import DatabaseRefused, translated
from service import operations, outcomes, payloads, rows
from service.activations import unknown
from service.answers import answer, read
from service.database import Connection
from service.outcomes import Seen
from service.parts import Parts
from service.payloads import CheckStatus, FunctionAnswer, FunctionData, UpdateSms
from service.recovery import ask_to_recover, recovered
from service.requests import ask_to_check, settled
from service.writes import Asked, Write

STATE_FORBIDS = "SN409"


class Functions:
    """Check and recovery under their old names."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        route = self._parts.resources.route
        return [
            route({operations.CHECK_STATUS: self._check_status}),
            route({operations.UPDATE_SMS: self._update_sms}),
        ]

    async def _check_status(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        body = await read(request, CheckStatus)
        activation_id = _uuid(body.activation_id)

        async def ask(connection: Connection) -> Asked:
            return await _ask_or_look(connection, user_id, activation_id)

        async def tell(asked: Asked) -> Response:
            if asked.request_id is None:
                found = await settled(self._parts, request, asked, lambda _seen: True)
                return _told(found, 200)
            found = await settled(self._parts, request, asked, outcomes.check_settled)
            return _told(found, outcomes.of_check(found))

        return await self._answered(request, Write(user_id, _route(request), body, ask, tell))

    async def _update_sms(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        body = await read(request, UpdateSms)
        name = str(body.order_id)
        payloads.check_word("orderId", name)

        async def ask(connection: Connection) -> Asked:
            activation_id = await rows.activation_named(connection, user_id, name)
            if activation_id is None:
                raise unknown()
            return await ask_to_recover(connection, user_id, activation_id)

        async def tell(asked: Asked) -> Response:
            recovery = await recovered(self._parts, request, asked)
            return _told(recovery.seen, outcomes.of_recovery(recovery.seen))

        return await self._answered(request, Write(user_id, _route(request), body, ask, tell))

    async def _answered(self, request: Request, write: Write) -> Response:
        return await self._parts.writes.answered(request, write)


async def _ask_or_look(connection: Connection, user_id: UUID, activation_id: UUID) -> Asked:
    """A check; where the state forbids one (no number yet, or over) the row says all."""
    try:
        with translated():
            async with connection.transaction():
                return await ask_to_check(connection, user_id, activation_id)
    except DatabaseRefused as refused:
        if refused.sqlstate != STATE_FORBIDS:
            raise
        return Asked(user_id, activation_id)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise unknown() from None


def _route(request: Request) -> str:
    return f"POST {request.url.path}"


def _told(seen: Seen, status: int) -> Response:
    row = seen.activation
    data = FunctionData(
        status=row.status, sms_code=row.sms_code, sms_text=row.sms_text, charged=row.charged
    )
    shown = FunctionAnswer(success=True, data=data)
    return answer(shown, status=status, headers=outcomes.headers(seen))
