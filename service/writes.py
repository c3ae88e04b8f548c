"""What a user asks for by POST: written in one transaction, answered when there is an answer.

Promised to who sends an `Idempotency-Key`: the same request again is answered as the first was and
does nothing, for 24 hours, even where the service was killed between doing and answering; another
body under the same key is refused, and so is the same one while the first still runs.
"""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from db.errors import DatabaseRefused, SonnetteError, TryAgain, translated
from service import keys
from service.answers import problem_answer
from service.database import Connection, Database
from service.headers import IDEMPOTENCY_KEY, REPLAYED, RETRY_AFTER
from service.keys import Claim, Found
from service.outcomes import Seen
from service.parameters import idempotency_key, wait_s
from service.problems import Problem, from_database, retry_after

log = structlog.get_logger(__name__)

LEASE_MARGIN_S = 10.0  # what an answer may take beyond the wait that was asked for
NOT_KEPT = frozenset({"content-length", "connection"})


@dataclass(frozen=True)
class Asked:
    """What was asked of the provider: by which request (None: by the activation itself).

    `seen` is the activation as the asking transaction left it, where that read it.
    """

    user_id: UUID
    activation_id: UUID
    request_id: int | None = None
    seen: Seen | None = None


@dataclass(frozen=True)
class Write:
    """`ask` runs on a transaction, `tell` waits and answers; `body` is what makes two the same."""

    user_id: UUID
    route: str
    body: msgspec.Struct
    ask: Callable[[Connection], Awaitable[Asked]]
    tell: Callable[[Asked], Awaitable[Response]]


@dataclass(frozen=True)
class _Begun:
    """What the claiming transaction found: a kept answer, or something to answer from."""

    answer: keys.Answer | None = None
    asked: Asked | None = None
    again: bool = False


class Writes:
    """Does writes, each key's once."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def answered(self, request: Request, write: Write) -> Response:
        """The answer to one POST."""
        key = idempotency_key(request.headers.getlist(IDEMPOTENCY_KEY))
        if key is None:
            return await write.tell(await self._database.write(write.user_id, write.ask))
        lease_s = wait_s(request.headers.getlist("prefer")) + LEASE_MARGIN_S
        claim = Claim(write.user_id, write.route, key, _hash(write.body), lease_s)

        async def begin(connection: Connection) -> _Begun:
            if await keys.claim(connection, claim):
                return await self._first(connection, claim, write, request)
            return await _again(connection, claim)

        begun = await self._database.write(write.user_id, begin)
        answer = begun.answer
        if answer is None and begun.asked is not None:
            answer = await self._told(request, claim, write, begun.asked)
        return _response(answer, again=begun.again)

    async def _first(
        self, connection: Connection, claim: Claim, write: Write, request: Request
    ) -> _Begun:
        try:
            with translated():
                async with connection.transaction():
                    asked = await write.ask(connection)
        except DatabaseRefused as refused:
            problem = from_database(refused, self._clock())
            if RETRY_AFTER in problem.headers:
                raise problem from None  # it invites the same request again, so nothing is kept
            answer = _answer(problem_answer(problem, request.scope))
            await keys.keep(connection, claim, answer)
            return _Begun(answer)
        await keys.note_asked(connection, claim, asked.activation_id, asked.request_id)
        return _Begun(asked=asked)

    async def _told(
        self, request: Request, claim: Claim, write: Write, asked: Asked
    ) -> keys.Answer:
        try:
            response = await write.tell(asked)
        except Problem as problem:
            if problem.passing:
                await self._release(claim)
                raise
            response = problem_answer(problem, request.scope)
        except Exception:
            await self._release(claim)
            raise
        answer = _answer(response)
        await self._keep(claim, answer)
        return answer

    async def _keep(self, claim: Claim, answer: keys.Answer) -> None:
        try:
            await self._database.note(lambda c: keys.keep(c, claim, answer))
        except SonnetteError as error:
            # What was asked stands, and the next one with this key is answered from it.
            log.warning("an answer could not be kept for its key: %s", error)

    async def _release(self, claim: Claim) -> None:
        with suppress(SonnetteError):
            await self._database.note(lambda c: keys.release(c, claim))


async def _again(connection: Connection, claim: Claim) -> _Begun:
    found = await keys.find(connection, claim)
    if found is None:
        raise TryAgain("the key was forgotten just now")
    _check(found, claim)
    if found.answer is not None:
        return _Begun(found.answer, again=True)
    if found.activation_id is None:
        raise RuntimeError("a key has neither an answer nor anything to answer from")
    await keys.take_over(connection, claim)
    asked = Asked(claim.user_id, found.activation_id, found.request_id)
    return _Begun(asked=asked, again=True)


def _check(found: Found, claim: Claim) -> None:
    if found.body_hash != claim.body_hash:
        raise Problem("key_reused", f"this {IDEMPOTENCY_KEY} came with another body before")
    if found.answer is None and found.running_s > 0:
        raise Problem(
            "key_in_use",
            f"the first request with this {IDEMPOTENCY_KEY} still runs",
            headers=retry_after(),
        )


def _hash(body: msgspec.Struct) -> bytes:
    """Of what was understood, so that spaces and the order of fields make no difference."""
    return hashlib.sha256(msgspec.json.encode(body)).digest()


def _answer(response: Response) -> keys.Answer:
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.raw_headers
        if name.decode("latin-1") not in NOT_KEPT
    )
    return keys.Answer(response.status_code, headers, bytes(response.body))


def _response(answer: keys.Answer | None, *, again: bool) -> Response:
    if answer is None:
        raise RuntimeError("a write was neither answered nor asked for")
    headers = dict(answer.headers)
    return Response(answer.body, answer.status, headers | ({REPLAYED: "true"} if again else {}))
