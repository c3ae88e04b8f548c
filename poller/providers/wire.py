"""From the bytes of an answer to a word or a JSON document, and from there to values we can store.

Providers serve JSON and text alike as text/html, so the first character decides, never the content
type. Pure. Nothing here raises for what a provider sent: it becomes Garbage, with a short label
that may stand in a log.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TypeAlias, TypeVar, cast

from poller.providers.answers import Unexpected

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | Decimal | bool | None"
Document: TypeAlias = dict[str, Json] | list[Json]
T = TypeVar("T")

MAX_SMS_CHARS = 4096  # ten concatenated SMS are 1,530
_LABEL = re.compile(r"[A-Z_]{3,40}(?![A-Za-z0-9_])")
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PHONE = re.compile(r"\+?([0-9]{5,20})")
_CODE = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MAX_COST = Decimal(10) ** 8
_SMALLEST = Decimal("0.0001")  # numeric(12,4), as the offers store it


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `retry_after_s` is its Retry-After, where it has one in seconds."""

    http_status: int
    body: bytes
    retry_after_s: int | None = None

    def __repr__(self) -> str:
        return f"Reply(http_status={self.http_status}, {len(self.body)} bytes)"


@dataclass(frozen=True)
class Word:
    """A word of the protocol: `STATUS_OK:123456` is the name STATUS_OK and the rest 123456.

    `info` holds what a JSON error said beside its word.
    """

    text: str
    info: dict[str, Json]

    def __repr__(self) -> str:
        return f"Word({label(self.text)})"

    def starts(self, *names: str) -> bool:
        """Providers append what they like to an error word, so it is known by its beginning."""
        return self.text.startswith(names)

    @property
    def rest(self) -> str:
        return self.text.partition(":")[2].strip()


@dataclass(frozen=True)
class Garbage:
    """Not a word and not a document."""

    label: str


def failing(reply: Reply, label: str) -> Unexpected:
    """What is not understood. A server that fails may say when to come back, as 503 does."""
    return Unexpected(label, reply.retry_after_s if reply.http_status >= 500 else None)


class NotDocumented(ValueError):
    """The provider said something that no documentation has."""


def read(reply: Reply) -> Word | Document | Garbage:
    """A word (a JSON error counts as its word), a JSON document, or what else it is."""
    if reply.http_status >= 500:
        # Whatever a failing server says, it cannot be believed to have done or not done it.
        return Garbage(f"http_{reply.http_status}")
    text = clean(reply.body.decode("utf-8", "replace").lstrip("\ufeff")).strip()
    if text[:1] in ("{", "["):
        return _document(text)
    if _LABEL.match(text):
        return Word(text, {})
    if not 200 <= reply.http_status < 300:
        return Garbage(f"http_{reply.http_status}")
    return Garbage(label(text))


def _document(text: str) -> Word | Document | Garbage:
    try:
        document = cast(Json, json.loads(text, parse_float=Decimal, parse_constant=_refuse))
    except (ValueError, RecursionError):
        return Garbage("json")
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return Garbage("json")
    return _error_word(document) or document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _error_word(document: dict[str, Json]) -> Word | None:
    """The word of `{"status":"error","error":X}`, `{"error":X}` or `{"title":X,"info":{}}`."""
    names = ["error", "title"] + ["message"] * (document.get("status") == "error")
    for name in names:
        value = document.get(name)
        if isinstance(value, str) and _LABEL.match(value):
            info = document.get("info")
            return Word(clean(value), info if isinstance(info, dict) else {})
    return None


def label(text: str) -> str:
    """At most 40 characters that say what it looks like and hold nothing of an SMS."""
    if not text:
        return "empty"
    if text.startswith("<"):
        return "html"
    found = _LABEL.match(text)
    return found.group() if found else "text"


def clean(text: str) -> str:
    """The text without what Postgres cannot store: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def sms_part(value: Json) -> str | None:
    """A code or a text, cleaned; None where there is none. ValueError where it cannot be one."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("neither text nor number")
    text = clean(str(value)).strip()
    if len(text) > MAX_SMS_CHARS:
        raise ValueError("longer than any SMS")
    return text or None


def order_id(value: Json) -> str:
    """The provider's id of an activation, number or text."""
    return _matching(_ORDER_ID, value).group()


def phone(value: Json) -> str:
    """The digits of a phone number, without a plus."""
    return _matching(_PHONE, value).group(1)


def code(value: Json) -> str:
    """A service's, a country's or an operator's short name."""
    return _matching(_CODE, value).group()


def _matching(pattern: re.Pattern[str], value: Json) -> re.Match[str]:
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    found = pattern.fullmatch(str(value)) if plain else None
    if found is None:
        raise ValueError("not in the expected form")
    return found


def amount(value: Json) -> Decimal:
    """Money as number or text: four decimals, from 0 to under a hundred million."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("not an amount")
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if not found.is_finite() or not 0 <= found < _MAX_COST:
        raise ValueError("not an amount that can be paid")
    return found.quantize(_SMALLEST)


def count(value: Json) -> int:
    """A whole number from zero up, as number or text."""
    found = amount(value)
    if found != int(found):
        raise ValueError("not a whole number")
    return int(found)


def optional(parse: Callable[[Json], T], value: Json) -> T | None:
    """A field that can be done without: None where it is absent or cannot be read."""
    try:
        return None if value is None else parse(value)
    except ValueError:
        return None
