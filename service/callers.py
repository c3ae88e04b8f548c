"""Who calls: the user of the bearer token.

Promised to clients: a refusal is a 401 with a challenge (RFC 6750 section 3) and says why in the
words of the Supabase protocol, which they know from the WebSocket.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from starlette.requests import Request

from process.tokens import TokenRefused, Verifier
from service.problems import Problem

REALM = 'Bearer realm="sonnette"'
MISSING = "send the user's token in the header Authorization: Bearer <JWT>"
NO_USER = "a token of the role {} names no user, and everything here belongs to one"


class Callers:
    """Knows users by their tokens, at the time that `clock` says."""

    def __init__(self, verifier: Verifier, clock: Callable[[], datetime]) -> None:
        self._verifier = verifier
        self._clock = clock

    def user_of(self, request: Request) -> UUID:
        """The user who calls; Problem `token_refused`."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Problem("token_refused", MISSING, headers={"WWW-Authenticate": REALM})
        try:
            identity = self._verifier.verify(token.strip(), self._clock())
        except TokenRefused as refused:
            raise _refused(refused.reason) from None
        if identity.user_id is None:
            raise _refused(NO_USER.format(identity.role))
        return identity.user_id


def _refused(reason: str) -> Problem:
    challenge = f'{REALM}, error="invalid_token", error_description="{reason}"'
    return Problem("token_refused", reason, headers={"WWW-Authenticate": challenge})
