"""Who calls: the user of the bearer token.

Promised to clients: a refusal is a 401 with a challenge (RFC 6750 section 3) and says why in the
words of the Supabase protocol, which they know from the WebSocket. A token of which nothing can be
said yet is no refusal of it but a 503.
"""

import time
from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from process.guard import Guard
from process.tokens import CannotVerify, TokenRefused
from service.allowances import Allowances
from service.problems import Problem, retry_after

REALM = 'Bearer realm="sonnette"'
MISSING = "send the user's token in the header Authorization: Bearer <JWT>"
NO_USER = "a token of the role {} names no user, and everything here belongs to one"


class Callers:
    """Knows users by their tokens."""

    def __init__(self, guard: Guard, allowances: Allowances) -> None:
        self._guard = guard
        self._allowances = allowances

    async def user_of(self, request: Request) -> UUID:
        """The user who calls; Problem as in `holder`, or `too_many_requests`."""
        return await self.user_by(bearer(request))

    async def user_by(self, token: str) -> UUID:
        """The same for a token that came otherwise."""
        user_id, _expires_at = await self.holder(token)
        self._allowances.spend_user(user_id, time.monotonic())
        return user_id

    async def holder(self, token: str) -> tuple[UUID, datetime]:
        """Whose token it is now, and until when; Problem `token_refused`, or `unavailable` for now.

        Waits, 4 s at most, where the token names a key that may have been published just now.
        """
        try:
            identity = await self._guard.identity(token)
        except CannotVerify as unknown:
            raise Problem("unavailable", unknown.reason, headers=retry_after()) from None
        except TokenRefused as refused:
            raise _refused(refused.reason) from None
        if identity.user_id is None:
            raise _refused(NO_USER.format(identity.role))
        return identity.user_id, identity.expires_at


def bearer(request: Request) -> str:
    """The token of the Authorization header; Problem `token_refused` where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("token_refused", MISSING, headers={"WWW-Authenticate": REALM})
    return token.strip()


def _refused(reason: str) -> Problem:
    challenge = f'{REALM}, error="invalid_token", error_description="{reason}"'
    return Problem("token_refused", reason, headers={"WWW-Authenticate": challenge})
