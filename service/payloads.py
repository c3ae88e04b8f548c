"""What the HTTP API takes and gives, as typed structs, and their JSON. Pure.

Promised to clients: objects carry the tables' column names, money is a string with two decimals
(its columns are numeric(12,2), whose scale the JSON keeps), times are RFC 3339 UTC, and a body with
a field that nobody knows is refused by that field's name.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from db.activation import Status
from db.feed import LostCursor
from service.problems import Problem

T = TypeVar("T", bound=msgspec.Struct)
U = TypeVar("U")

MAX_CODE_LENGTH = 64
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?", re.ASCII)
_WORD = {"minLength": 1, "maxLength": MAX_CODE_LENGTH}
_ROW = Meta(extra_json_schema={"type": "object"})
_FIELD = re.compile(r"`\$\.(\w+)|unknown field `([^`]*)`|required field `([^`]*)`")


# What the OpenAPI document says of them beyond their type.
Word = Annotated[str, Meta(extra_json_schema=_WORD)]
Price = Annotated[str, Meta(extra_json_schema={"pattern": f"^{_AMOUNT.pattern}$"})]
Money = Annotated[Decimal, Meta(extra_json_schema={"pattern": r"^[0-9]+\.[0-9]{2}$"})]


class Purchase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/activations. Without `operator` any will do; without `max_price` any price."""

    service_code: Word
    country_code: Word
    operator: Word | None = None
    max_price: Price | None = None


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a call that needs none: `{}`, or no body at all."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/me."""

    user_id: UUID
    balance: Money
    frozen: Money
    available: Money
    currency: str
    feed_seq: int
    epoch: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What can be bought, at the price that will be charged."""

    provider: str
    service_code: str
    country_code: str
    operator: str
    price: Money
    currency: str
    stock: int


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/offers; `next` is the `after` of the next page, null on the last."""

    items: Sequence[Offer]
    next: str | None


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """A row of public.activations, all columns."""

    id: UUID
    user_id: UUID
    provider: str
    order_id: str | None
    service_code: str
    country_code: str
    operator: str | None
    phone: str | None
    status: Status
    sms_code: str | None
    sms_text: str | None
    sms_count: int
    sms_received_at: datetime | None
    price: Money
    frozen_amount: Money
    charged: bool
    cancel_after: datetime | None
    expires_at: datetime | None
    failure: str | None
    created_at: datetime
    updated_at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One SMS: a row of public.messages."""

    id: int
    activation_id: UUID
    user_id: UUID
    received_at: datetime
    sender: str | None
    code: str | None
    text: str | None
    source: str


class ActivationWithMessages(Activation, frozen=True, kw_only=True):
    """GET /v1/activations/{id}: the row and every SMS of it, oldest first."""

    messages: Sequence[Message]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a recovery found. `late_messages` came after the money went back and are not shown.

    `number`: what the provider says of the number itself.
    """

    new_messages: int
    completed_texts: int
    late_messages: int
    number: Literal["alive", "over", "unknown"]


class Recovered(ActivationWithMessages, frozen=True, kw_only=True):
    """POST /v1/activations/{id}/recover; `found` is null while the provider has not answered."""

    found: Found | None


class FunctionData(msgspec.Struct, frozen=True, kw_only=True):
    """What the functions tell of an activation."""

    status: Status
    sms_code: str | None
    sms_text: str | None
    charged: bool


class FunctionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """POST /functions/v1/..., as `supabase.functions.invoke` hands it to its caller."""

    success: Annotated[bool, Meta(extra_json_schema={"const": True})]
    data: FunctionData


class CheckStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """POST /functions/v1/check-sms-activate-status."""

    activation_id: Word


class UpdateSms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """POST /functions/v1/update-activation-sms: our id, or the provider's number for the order."""

    order_id: Word | int


class Webhook(msgspec.Struct, frozen=True, rename="camel"):
    """POST /webhooks/{provider}/{secret}; what else is in it is stored, too."""

    activation_id: str | int | None = None
    service: str | None = None
    code: str | None = None
    text: str | None = None
    country: str | int | None = None
    received_at: str | None = None
    phone_from: str | None = None


class Received(msgspec.Struct, frozen=True):
    """The webhook is stored."""

    received: Annotated[bool, Meta(extra_json_schema={"const": True})]


class Activations(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/activations: rows, newest first, and the feed's number, of one snapshot."""

    items: Sequence[Activation]
    next: str | None
    feed_seq: int
    epoch: str


class FeedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the user's feed; `record` and `old_record` are whole rows or null."""

    feed_seq: int
    type: Annotated[str, Meta(extra_json_schema={"enum": ["INSERT", "UPDATE", "DELETE"]})]
    schema: str
    table: str
    commit_timestamp: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    record: Annotated[msgspec.Raw, _ROW] | None
    old_record: Annotated[msgspec.Raw, _ROW] | None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """GET /v1/changes; `feed_seq` is the `after` of the next call, `more` says not to wait."""

    changes: Sequence[FeedChange]
    feed_seq: int
    epoch: str
    more: bool


class Resync(msgspec.Struct, frozen=True, kw_only=True):
    """The `resync` event: why the cursor could not be served, and where it goes on."""

    message: LostCursor
    feed_seq: int
    epoch: str


class StreamEnd(msgspec.Struct, frozen=True):
    """The last event of a stream: the problem's code and its sentence."""

    code: str
    detail: str


class Token(msgspec.Struct, frozen=True):
    """POST /v1/token, with the names of RFC 6749 section 5.1."""

    access_token: str
    token_type: str
    expires_in: int


def with_messages(activation: Activation, messages: Sequence[Message]) -> ActivationWithMessages:
    """The activation and its SMS as one object."""
    return ActivationWithMessages(**msgspec.structs.asdict(activation), messages=messages)


def decode(body: bytes, kind: type[U]) -> U:
    """The body as that struct, or a Problem `malformed` that names the field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise misfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem("malformed", "the body is not JSON") from None


def misfit(sentence: str) -> Problem:
    """The refusal for msgspec's sentence about a value of the wrong type."""
    found = _FIELD.search(sentence)
    field = next((name for name in found.groups() if name), None) if found else None
    return Problem("malformed", sentence.replace("`$.", "`"), {"field": field} if field else None)


def checked(purchase: Purchase) -> Purchase:
    """The same purchase, its words fit for the database; Problem `invalid_value` if not."""
    for field in ("service_code", "country_code", "operator"):
        word = getattr(purchase, field)
        if word is not None:
            check_word(field, word)
    return purchase


def check_word(field: str, word: str) -> None:
    """Refuse what no code can be: too long, or with characters that cannot be shown."""
    # Also keeps out NUL and lone surrogates, which PostgreSQL's text cannot hold.
    if not (0 < len(word) <= MAX_CODE_LENGTH and word.isprintable()):
        raise Problem(
            "invalid_value",
            f"{field} must have 1 to {MAX_CODE_LENGTH} printable characters",
            {"field": field},
        )


def amount(field: str, text: str | None) -> Decimal | None:
    """The money that the string says; Problem `invalid_value` where it says none."""
    if text is None:
        return None
    if not _AMOUNT.fullmatch(text):
        raise Problem("invalid_value", f'{field} must be like "0.50"', {"field": field})
    return Decimal(text)
