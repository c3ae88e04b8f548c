"""How values of Postgres' types are read and compared: from a filter's text and from a record.

Pure. A filter's value must be one that Postgres would cast to the column's type. Text is ordered by
code point, which is Postgres' order in the C collation.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

Comparable = str | int | float | Decimal | bool
Parser = Callable[[str], Comparable]

_ASCII = re.ASCII | re.IGNORECASE


class ValueRefused(Exception):
    """The text is no value of the type."""


class TypeUnknown(Exception):
    """There is no comparison for this type here."""


def _integer(bits: int) -> Parser:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\s*[+-]?\d{1,20}\s*", text, _ASCII):
            raise ValueRefused
        value = int(text)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueRefused
        return value

    return parse


def _numeric(text: str) -> Decimal:
    # "Infinity" and "NaN" are left out: nobody filters money by them.
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?\s*", text, _ASCII):
        raise ValueRefused
    return Decimal(text.strip())


def _double(text: str) -> float:
    exact = _numeric(text)
    value = float(exact)
    if math.isinf(value) or (value == 0) != (exact == 0):
        raise ValueRefused  # out of range, as Postgres says
    return value


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
    if not re.fullmatch(r"[0-9a-f]{4}(-?[0-9a-f]{4}){7}", text, _ASCII):
        raise ValueRefused
    return str(UUID(text))


_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_ZONE = r"(z|[+-]\d\d(:?\d\d)?)?"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FAR = 10**20  # beyond all microseconds and all days that Python can count


def _moment(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC, as for the triggers that write the records."""
    if not re.fullmatch(rf"{_DATE}([t ]{_TIME}{_ZONE})?", text, _ASCII):
        raise ValueRefused
    try:
        value = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueRefused from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _timestamptz(text: str) -> int:
    return (_moment(text) - _EPOCH) // _MICROSECOND


def _timestamp(text: str) -> int:
    return (_moment(text).replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND  # Postgres ignores a zone


def _date(text: str) -> int:
    if not re.fullmatch(_DATE, text, _ASCII):
        raise ValueRefused
    return _moment(text).toordinal()


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
    "timestamptz": _timestamptz,
    "timestamp": _timestamp,
    "date": _date,
}


def parser_for(type_name: str) -> Parser:
    """What turns a filter's text into a comparable value, or TypeUnknown."""
    try:
        return _PARSERS[type_name]
    except KeyError:
        raise TypeUnknown(type_name) from None


_TIMES = ("timestamptz", "timestamp", "date")


def read(type_name: str, found: object) -> object:
    """A record's JSON value as something that compares with the parser's values."""
    if isinstance(found, str) and type_name in _TIMES:
        return _time(type_name, found)
    if type_name in ("numeric", "float8"):
        if isinstance(found, str):
            # NaN and the infinities are strings in JSON. In Postgres NaN is greater than all.
            return Decimal("Infinity" if found == "NaN" else found)
        if type_name == "float8" and isinstance(found, Decimal):
            return float(found)  # records are read with exact numbers, which 0.1 is not
    return found


def _time(type_name: str, found: str) -> Comparable:
    """Postgres has infinities and times that Python has not: BC, and after the year 9999."""
    try:
        return _PARSERS[type_name](found)
    except ValueRefused:
        return -_FAR if found.endswith("BC") or found == "-infinity" else _FAR
