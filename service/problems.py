"""Refusals as RFC 9457 problem details: every error that a caller of the API can meet.

Promised to clients: `code` is stable and decides alone what kind of refusal it is; `detail` is a
sentence for people; further members (needed, available, cancel_after, feed_seq, ...) are typed like
everywhere else in the API. Nothing of a token, a code or a text is ever repeated here.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec

from db.errors import DatabaseFailed, DatabaseRefused, DatabaseUnavailable, SonnetteError, TryAgain

RETRY_AFTER_S = 1
QUERY_CANCELED = "57014"  # our own statement_timeout: someone holds a lock for long

# code -> (status, title). The title is the same for every refusal of that code (RFC 9457 3.1.3).
KINDS: Mapping[str, tuple[HTTPStatus, str]] = {
    "malformed": (HTTPStatus.BAD_REQUEST, "The request cannot be read"),
    "cross_origin_refused": (HTTPStatus.BAD_REQUEST, "Not from that origin"),
    "token_refused": (HTTPStatus.UNAUTHORIZED, "No valid token"),
    "not_enough_money": (HTTPStatus.PAYMENT_REQUIRED, "Not enough money"),
    "not_found": (HTTPStatus.NOT_FOUND, "There is nothing here"),
    "unknown_offer": (HTTPStatus.NOT_FOUND, "Unknown offer"),
    "unknown_activation": (HTTPStatus.NOT_FOUND, "Unknown activation"),
    "method_not_allowed": (HTTPStatus.METHOD_NOT_ALLOWED, "Not with this method"),
    "state_forbids": (HTTPStatus.CONFLICT, "The state forbids it"),
    "no_numbers": (HTTPStatus.CONFLICT, "No numbers in stock"),
    "price_changed": (HTTPStatus.CONFLICT, "The price has changed"),
    "provider_error": (HTTPStatus.CONFLICT, "The provider did not do it"),
    "too_early": (HTTPStatus.CONFLICT, "Too early to cancel"),
    "cancel_refused": (HTTPStatus.CONFLICT, "Not cancelled"),
    "another_refused": (HTTPStatus.CONFLICT, "No further SMS"),
    "cursor_ahead": (HTTPStatus.CONFLICT, "Cursor ahead"),
    "other_history": (HTTPStatus.CONFLICT, "Other history"),
    "cursor_too_old": (HTTPStatus.GONE, "Cursor too old"),
    "body_too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Body too large"),
    "unsupported_media_type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not JSON"),
    "key_reused": (HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency-Key used before"),
    "key_in_use": (HTTPStatus.CONFLICT, "The same request still runs"),
    "invalid_value": (HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid value"),
    "too_many_requests": (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
    "too_many_waiting": (HTTPStatus.TOO_MANY_REQUESTS, "Too many requests wait"),
    "internal": (HTTPStatus.INTERNAL_SERVER_ERROR, "Sonnette failed"),
    "unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "Not available now"),
}


class ProblemDocument(msgspec.Struct, frozen=True):
    """RFC 9457 problem details. Some codes have further members, as docs/api.md lists."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


class Problem(Exception):
    """A refusal. `members` join the body, `headers` the answer's headers."""

    def __init__(
        self,
        code: str,
        detail: str,
        members: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status, self.title = KINDS[code]
        self.members = members or {}
        self.headers = headers or {}

    @property
    def passing(self) -> bool:
        """Whether it says nothing of what was asked, and the same request may yet succeed."""
        return self.status >= 500 or self.status == HTTPStatus.TOO_MANY_REQUESTS

    def body(
        self, request_id: str | None = None, further: Mapping[str, object] | None = None
    ) -> bytes:
        """The JSON of an `application/problem+json` answer."""
        standard: dict[str, object] = {
            "type": f"urn:sonnette:problem:{self.code}",
            "title": self.title,
            "status": self.status.value,
            "detail": str(self),
            "code": self.code,
        }
        if request_id is not None:
            standard["request_id"] = request_id
        return msgspec.json.encode({**standard, **self.members, **(further or {}), **standard})


def retry_after(seconds: float = RETRY_AFTER_S) -> dict[str, str]:
    """The header that says in how many seconds (at least 1) it may be tried again."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def from_database(error: SonnetteError, now: datetime) -> Problem:
    """The refusal that an error of the database means to the caller."""
    if isinstance(error, DatabaseRefused):
        return _from_rule(error, now)
    if isinstance(error, TryAgain) or getattr(error, "sqlstate", None) == QUERY_CANCELED:
        return Problem(
            "unavailable", "someone else holds these rows; try again", headers=retry_after()
        )
    if isinstance(error, DatabaseUnavailable):
        # Its own sentence names hosts and roles, which are the administrator's business.
        return Problem("unavailable", "the database is away; try again", headers=retry_after())
    if isinstance(error, DatabaseFailed):
        return internal()
    return Problem("unavailable", str(error), headers=retry_after())


def internal() -> Problem:
    """For what nobody foresaw: the log has it, the caller does not."""
    return Problem("internal", "an error that is ours; it is in the log")


def _from_rule(error: DatabaseRefused, now: datetime) -> Problem:
    sentence, fields = str(error), _members(error.fields)
    match error.sqlstate:
        case "SN402":
            return Problem("not_enough_money", sentence, fields)
        case "SN404":
            return Problem(f"unknown_{fields.get('what', 'activation')}", sentence)
        case "SN422":
            return Problem("invalid_value", sentence, fields)
        case "SN409" if "cancel_after" in fields:
            return too_early(sentence, fields, now)
        case "SN409":
            code = str(fields.get("code", "state_forbids"))
            return Problem(code, sentence, {k: v for k, v in fields.items() if k != "code"})
        case _:
            return internal()


def _members(fields: Mapping[str, object]) -> dict[str, object]:
    # RFC 9457 has taken the name `status` for the HTTP status.
    return {"activation_status" if name == "status" else name: fields[name] for name in fields}


def too_early(sentence: str, fields: Mapping[str, object], now: datetime) -> Problem:
    """A cancel before `cancel_after` (a PostgreSQL timestamp as JSON writes it)."""
    at = datetime.fromisoformat(str(fields["cancel_after"])).astimezone(UTC)
    return Problem(
        "too_early",
        sentence,
        {**fields, "cancel_after": at},
        retry_after((at - now).total_seconds()),
    )
