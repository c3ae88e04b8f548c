"""What a provider posts about an SMS, as it is stored: a hint that the poller will confirm. Pure.

Promised to providers: whatever JSON object they send is taken, with any Content-Type. SMS-Activate,
SMSBower and HeroSMS send `activationId`, `service`, `text`, `code`, `country` and `receivedAt`,
HeroSMS `phoneFrom` beside them; ids are numbers or strings, `code` and `text` may be null.
"""

import hashlib
import re
from dataclasses import dataclass

import msgspec

from service.payloads import decode
from service.problems import Problem

_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TOLD = ("receivedAt", "code", "text")  # what makes two deliveries of one SMS the same


@dataclass(frozen=True)
class Delivery:
    """`order_id` None: it names no order. `body` is JSON that PostgreSQL can store."""

    order_id: str | None
    body: str
    dedupe_key: str

    def __repr__(self) -> str:
        return f"Delivery(order_id={self.order_id!r})"


def parse(body: bytes) -> Delivery:
    """The delivery, or Problem `malformed` where it is no JSON object."""
    try:
        told = cleaned(decode(body, dict[str, object]))
    except Problem:
        # Not the sentence of the parser, which may quote the body.
        raise Problem("malformed", "a webhook is a JSON object") from None
    order_id = _order_id(told.get("activationId"))
    said = [order_id, *map(told.get, _TOLD)] if order_id else told
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    return Delivery(order_id, msgspec.json.encode(told).decode(), digest)


def _order_id(value: object) -> str | None:
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value) if plain and _ORDER_ID.fullmatch(str(value)) else None


def cleaned(told: dict[str, object]) -> dict[str, object]:
    """The same without NUL, which jsonb cannot hold."""
    return {_clean_text(name): _cleaned(value) for name, value in told.items()}


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return cleaned(value)
    return [_cleaned(each) for each in value] if isinstance(value, list) else value


def _clean_text(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
