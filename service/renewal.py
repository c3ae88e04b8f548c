"""/v1/token: a new token for a valid one. Only `sonnette run` serves it, for its demo users."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from process.tokens import mint
from service import operations
from service.answers import answer, read
from service.parts import Parts
from service.payloads import Nothing, Token

TTL_S = 3600
SCHEME = "Bearer"


class Renewal:
    """Renews with `secret`, whose tokens the service accepts."""

    def __init__(self, parts: Parts, secret: str) -> None:
        self._parts = parts
        self._secret = secret

    def routes(self) -> list[Route]:
        """The one route."""
        return [self._parts.resources.route({operations.TOKEN: self._renew})]

    async def _renew(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)
        await read(request, Nothing)
        token = mint(self._secret, user_id, self._parts.clock(), TTL_S)
        return answer(Token(token, SCHEME, TTL_S))
