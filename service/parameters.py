"""What stands in query strings and headers, parsed once: lists' cursors, waits, limits. Pure.

A parameter that is empty counts as not given; one that nobody knows is refused by its name, because
a misspelt filter that is ignored would show more than was asked for.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from db.activation import Status
from db.feed import LIVE_ONLY
from service.headers import IDEMPOTENCY_KEY, LAST_EVENT_ID
from service.payloads import Word, check_word, misfit
from service.problems import Problem

T = TypeVar("T", bound=msgspec.Struct)

DEFAULT_WAIT_S = 5
MAX_WAIT_S = 30
MAX_LIMIT = 1000
STATUSES: tuple[str, ...] = get_args(Status)
_LIST = "^({0})( *, *({0}))*$".format("|".join(STATUSES))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_SEQ = re.compile(r"[0-9]{1,18}")
_WAIT = re.compile(r'\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(;.*)?', re.ASCII | re.IGNORECASE)


# What the document says of them; they are checked one by one, with a sentence each.
Limit = Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_LIMIT})]
Wait = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": MAX_WAIT_S})]
Seq = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": LIVE_ONLY - 1})]
StatusList = Annotated[str, Meta(extra_json_schema={"pattern": _LIST})]


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call without parameters: one that is sent all the same was meant for another call."""


class OffersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GET /v1/offers."""

    service_code: Word | None = None
    country_code: Word | None = None
    limit: Limit = 500
    after: str | None = None


class ActivationsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GET /v1/activations; `status` may list several, comma-separated."""

    status: StatusList | None = None
    limit: Limit = 50
    after: str | None = None


class ChangesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GET /v1/changes; without `after` only what comes from now on. `wait` in seconds."""

    after: Seq | None = None
    epoch: str | None = None
    wait: Wait = 0
    limit: Limit = 100


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GET /v1/events; `access_token` for those who cannot send the Authorization header."""

    after: Seq | None = None
    epoch: str | None = None
    access_token: str | None = None


def query(pairs: Iterable[tuple[str, str]], kind: type[T]) -> T:
    """The query string as that struct; Problem `malformed` for a wrong type or an unknown name."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise Problem("malformed", f"`{name}` is given twice", {"field": name})
        if value:
            given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(str(error).replace("Object contains unknown field", "unknown field")) from None


def bounded(field: str, value: int, least: int, most: int) -> int:
    """The value, or Problem `invalid_value`."""
    if not least <= value <= most:
        raise Problem("invalid_value", f"{field} must be {least} to {most}", {"field": field})
    return value


def wait_s(prefer: Iterable[str]) -> int:
    """How long the caller would wait, from its Prefer headers (RFC 7240 4.3), 30 s at most.

    What cannot be understood is not applied, as that RFC has it; the first `wait` counts.
    """
    for preference in ",".join(prefer).split(","):
        if found := _WAIT.fullmatch(preference):
            return min(int(found[1]), MAX_WAIT_S)
    return DEFAULT_WAIT_S


def idempotency_key(values: Sequence[str]) -> str | None:
    """The Idempotency-Key header's value, None where there is none; Problem `malformed`."""
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise Problem(
            "malformed",
            f"an {IDEMPOTENCY_KEY} is 1 to 255 printable ASCII characters, given once",
            {"field": IDEMPOTENCY_KEY},
        )
    return values[0]


def last_event_id(text: str) -> int | None:
    """The feed_seq of a Last-Event-ID header, None where it is empty; Problem `malformed`."""
    if not text:
        return None
    if not _SEQ.fullmatch(text):
        raise Problem("malformed", f"{LAST_EVENT_ID} must be a feed_seq", {"field": LAST_EVENT_ID})
    return int(text)


def statuses(text: str | None) -> list[str] | None:
    """The statuses of a comma-separated list; None means all."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in STATUSES:
            raise Problem(
                "invalid_value",
                f"status must be of {', '.join(STATUSES)}",
                {"field": "status"},
            )
    return words


def activation_cursor(created_at: datetime, activation_id: UUID) -> str:
    """Where a page ended: microseconds since 1970 and the row's id."""
    return f"{(created_at - _EPOCH) // timedelta(microseconds=1)}.{activation_id}"


def activation_position(cursor: str | None) -> tuple[datetime, UUID] | None:
    """What `activation_cursor` made the cursor from."""
    if cursor is None:
        return None
    moment, _, activation_id = cursor.partition(".")
    try:
        return _EPOCH + timedelta(microseconds=int(moment)), UUID(activation_id)
    except (ValueError, OverflowError):
        raise _bad_cursor() from None


class OfferPosition(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page of offers ended: the sort key of its last one."""

    service_code: str
    country_code: str
    price: Decimal
    provider: str
    operator: str


def offer_cursor(position: OfferPosition) -> str:
    """The position as text that a URL can carry."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def offer_position(cursor: str | None) -> OfferPosition | None:
    """What `offer_cursor` made the cursor from."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = msgspec.json.decode(text, type=OfferPosition)
    except (ValueError, msgspec.MsgspecError):
        raise _bad_cursor() from None
    if not position.price.is_finite():
        raise _bad_cursor()
    for word in (position.service_code, position.country_code, position.provider):
        check_word("after", word)
    check_word("after", position.operator)
    return position


def _bad_cursor() -> Problem:
    return Problem("invalid_value", "after must be the `next` of a page", {"field": "after"})
