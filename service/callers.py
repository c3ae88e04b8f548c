"""Who calls: the user of the bearer token.

Promised to clients: a refusal is a 401 with a challenge (RFC 6750 section 3) and says why in the
words of the Supabase protocol, which they know from the WebSocket. A token of which nothing can be
said yet is no refusal of it but a 503.
"""

from uuid import UUID

from starlette.requests import Request

from process.guard import Guard
from process.tokens import CannotVerify, TokenRefused
from service.problems import Problem, retry_after

REALM = 'Bearer realm="sonnette"'
MISSING = "send the user's token in the header Authorization: Bearer <JWT>"
NO_USER = "a token of the role {} names no user, and everything here belongs to one"


class Callers:
    """Knows users by their tokens."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def user_of(self, request: Request) -> UUID:
        """The user who calls; Problem `token_refused` or, for now, `unavailable`.

        Waits, 4 s at most, where the token names a key that may have been published just now.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Problem("token_refused", MISSING, headers={"WWW-Authenticate": REALM})
        try:
            identity = await self._guard.identity(token.strip())
        except CannotVerify as unknown:
            raise Problem("unavailable", unknown.reason, headers=retry_after()) from None
        except TokenRefused as refused:
            raise _refused(refused.reason) from None
        if identity.user_id is None:
            raise _refused(NO_USER.format(identity.role))
        return identity.user_id


def _refused(reason: str) -> Problem:
    challenge = f'{REALM}, error="invalid_token", error_description="{reason}"'
    return Problem("token_refused", reason, headers={"WWW-Authenticate": challenge})
