"""How values of Postgres' types are read and compared: from a filter's text and from a record.

Pure. A filter's value must be one that Postgres would cast to the column's type. Text is ordered by
code point, which is Postgres' order in the C collation.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

Comparable = str | int | float | Decimal | bool | date | datetime
Parser = Callable[[str], Comparable]


class ValueRefused(Exception):
    """The text is no value of the type."""


class TypeUnknown(Exception):
    """There is no comparison for this type here."""


def _integer(bits: int) -> Parser:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\s*[+-]?\d{1,20}\s*", text, re.ASCII):
            raise ValueRefused
        value = int(text)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueRefused
        return value

    return parse


def _numeric(text: str) -> Decimal:
    try:
        value = Decimal(text.strip()) if "_" not in text else None
    except InvalidOperation:
        value = None
    # NaN equals itself in Postgres and not here; nobody filters money by it.
    if value is None or not value.is_finite():
        raise ValueRefused
    return value


def _double(text: str) -> float:
    return float(_numeric(text))


# https://www.postgresql.org/docs/current/datatype-boolean.html: unique prefixes are accepted.
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    truths = [True for full in _TRUE if word and full.startswith(word)]
    truths += [False for full in _FALSE if word and full.startswith(word)]
    if len(truths) != 1:
        raise ValueRefused  # "o" could be on and off
    return truths[0]


def _uuid(text: str) -> str:
    try:
        return str(UUID(text.strip()))
    except ValueError:
        raise ValueRefused from None


def _timestamp(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueRefused from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise ValueRefused from None


_PARSERS: Mapping[str, Parser] = {
    "text": str,
    "varchar": str,
    "name": str,
    "int2": _integer(16),
    "int4": _integer(32),
    "int8": _integer(64),
    "numeric": _numeric,
    "float8": _double,
    "bool": _boolean,
    "uuid": _uuid,
    "timestamptz": _timestamp,
    "timestamp": _timestamp,
    "date": _date,
}


def parser_for(type_name: str) -> Parser:
    """What turns a filter's text into a comparable value, or TypeUnknown."""
    try:
        return _PARSERS[type_name]
    except KeyError:
        raise TypeUnknown(type_name) from None


_INFINITIES: Mapping[str, datetime] = {
    "infinity": datetime.max.replace(tzinfo=UTC),
    "-infinity": datetime.min.replace(tzinfo=UTC),
}


def read(type_name: str, found: object) -> object:
    """A record's JSON value as something that compares with the parser's values."""
    if isinstance(found, str):
        if type_name in ("timestamptz", "timestamp"):
            return _INFINITIES.get(found) or _timestamp(found)
        if type_name == "date":
            return {"infinity": date.max, "-infinity": date.min}.get(found) or _date(found)
        if type_name in ("numeric", "float8"):
            return Decimal(found)  # NaN and Infinity are strings in JSON
    if type_name == "float8" and isinstance(found, Decimal):
        return float(found)  # records are read with exact numbers, which 0.1 is not
    return found
