"""POST /webhooks/{provider}/{secret}: what a provider posts about an SMS is stored, then answered.

Promised to providers: 200 once it is stored, within 3 s; the same again is 200 and does nothing; a
5xx where it could not be stored. Promised to everybody else: who does not know the secret, or comes
from elsewhere, learns nothing, not even whether the account exists; and the secret is in no log.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Awaitable
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.errors import SonnetteError
from service import deliveries, operations, rows
from service.answers import answer, read_bytes
from service.database import Connection
from service.metrics import Metrics
from service.parts import Parts
from service.payloads import Received
from service.problems import Problem, retry_after
from service.rows import WebhookAccount

log = structlog.get_logger(__name__)

T = TypeVar("T")

ANSWER_WITHIN_S = 2.5  # providers wait for 3 s, network included
NOBODY = WebhookAccount(secret_sha256=bytes(32), addresses=None)
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)  # as in the accounts file


class Webhooks:
    """Takes webhooks."""

    def __init__(self, parts: Parts, metrics: Metrics) -> None:
        self._parts = parts
        self._metrics = metrics
        self._unfinished: set[object] = set()

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        return [self._parts.resources.route({operations.WEBHOOK: self._receive})]

    async def _receive(self, request: Request) -> Response:
        until = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
        try:
            account = await self._account(request, until)
            delivery = deliveries.parse(await _body(request, until))
            is_new = await self._in_time(
                self._parts.database.note(
                    lambda c: rows.webhook_received(c, account, delivery, _address(request))
                ),
                until,
            )
        except Problem as problem:
            self._metrics.webhook(problem.code)
            raise
        except SonnetteError:
            self._metrics.webhook("unavailable")
            raise
        self._metrics.webhook("stored" if is_new else "repeated")
        return answer(Received(received=True))

    async def _account(self, request: Request, until: float) -> str:
        """The account whose webhook it is; Problem `not_found` as for any unknown path."""
        name, secret = request.path_params["provider"], request.path_params["secret"]

        async def look(connection: Connection) -> WebhookAccount:
            return await rows.webhook_account(connection, name) or NOBODY

        known = NOBODY
        if _ACCOUNT.fullmatch(name):
            known = await self._in_time(self._parts.database.read(look), until)
        if not (is_secret(secret, known) and is_let_in(_address(request), known)):
            raise Problem("not_found", "there is no such resource")
        return str(name)

    async def _in_time(self, work: Awaitable[T], until: float) -> T:
        """The work's answer; Problem `unavailable` where it takes too long, and then it goes on.

        It is not cancelled: to cancel a statement on a dead line takes longer than what is left.
        """
        task = asyncio.ensure_future(work)
        left_s = until - asyncio.get_running_loop().time()
        await asyncio.wait({task}, timeout=max(0.0, left_s))
        if task.done():
            return task.result()
        self._unfinished.add(task)
        task.add_done_callback(self._forget)
        raise _too_late()

    def _forget(self, task: "asyncio.Future[T]") -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # whoever it was for has been told already


def is_secret(secret: str, account: WebhookAccount) -> bool:
    """Whether it is the account's; takes as long whether it is or not."""
    given = hashlib.sha256(secret.encode("utf-8", "replace")).digest()
    return hmac.compare_digest(given, account.secret_sha256 or bytes(32))


def is_let_in(address: str | None, account: WebhookAccount) -> bool:
    """Whether webhooks may come from there; without a list from anywhere."""
    if account.addresses is None:
        return True
    if address is None:
        return False
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(network) for network in account.addresses)


def _address(request: Request) -> str | None:
    try:
        found = ipaddress.ip_address(getattr(request.state, "address", ""))
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


async def _body(request: Request, until: float) -> bytes:
    try:
        async with asyncio.timeout_at(until):
            return await read_bytes(request)
    except TimeoutError:
        raise _too_late() from None


def _too_late() -> Problem:
    log.warning("a webhook was not stored: that took longer than its provider waits")
    return Problem("unavailable", "it could not be stored in time", headers=retry_after())
