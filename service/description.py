"""/openapi.json: what the other routes take and answer, as a document for programs."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service import openapi, operations
from service.answers import Resources

HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


class Description:
    """Describes what `resources` serve by now, so it is to be asked for its route last."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._document = b""

    def routes(self) -> list[Route]:
        """The one route."""
        route = self._resources.route({operations.DOCUMENT: self._show})
        self._document = openapi.document(self._resources.operations)
        return [route]

    async def _show(self, _request: Request) -> Response:
        return Response(self._document, 200, HEADERS, "application/json")
