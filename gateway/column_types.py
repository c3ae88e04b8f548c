"""How values of Postgres' types are read and compared: from a filter's text and from a record.

Pure. A filter's value must be one that Postgres would cast to the column's type. Both sides become
keys that Python orders as Postgres orders the values, the ones that Python has no value for too:
NaN, the infinities, times before Christ and after the year 9999.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from gateway.columns import Column

Rank = tuple[
    int, Any
]  # the first decides; the second is of one type wherever the first is the same
Key = str | int | bool | Rank

_ASCII = re.ASCII | re.IGNORECASE
_SPACE = " \t\n\r\v\f"


class ValueRefused(Exception):
    """The text is no value of the type."""


class TypeUnknown(Exception):
    """There is no comparison for this type here."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type: its name in SQL, its values from a filter's text, its values from a record's JSON."""

    sql_name: str
    parse: Callable[[str], Key]
    read: Callable[[Any], Key]


def _as_it_is(found: Any) -> Key:
    key: Key = found
    return key


# --- text


def _name(text: str) -> str:
    return text.encode()[:63].decode(errors="ignore")  # what the type does to a longer literal


def _unpadded(text: str) -> str:
    return text.rstrip(" ")


# --- numbers

_MIDDLE, _NAN = 0, 1
_SPECIAL: Mapping[str, tuple[int, float]] = {
    "nan": (_NAN, 0.0),  # greater than every number, and equal to itself
    "infinity": (_MIDDLE, math.inf), "+infinity": (_MIDDLE, math.inf),
    "inf": (_MIDDLE, math.inf), "+inf": (_MIDDLE, math.inf),
    "-infinity": (_MIDDLE, -math.inf), "-inf": (_MIDDLE, -math.inf),
}  # fmt: skip


def _integer(bits: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\s*[+-]?\d{1,100}\s*", text, _ASCII):
            raise ValueRefused
        value = int(text)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueRefused
        return value

    return parse


def _decimal(text: str) -> Decimal:
    digits = r"(\d{1,1000}(\.\d{0,1000})?|\.\d{1,1000})"
    if not re.fullmatch(rf"\s*[+-]?{digits}(e[+-]?\d{{1,4}})?\s*", text, _ASCII):
        raise ValueRefused
    return Decimal(text.strip(_SPACE))


def _numeric(text: str) -> Key:
    return _SPECIAL.get(text.strip(_SPACE).lower()) or (_MIDDLE, _decimal(text))


def _read_numeric(found: Any) -> Key:
    return _SPECIAL[found.lower()] if isinstance(found, str) else (_MIDDLE, found)


def _float(rounded: Callable[[Decimal], float]) -> Callable[[str], Key]:
    def parse(text: str) -> Key:
        special = _SPECIAL.get(text.strip(_SPACE).lower())
        if special is not None:
            return special
        exact = _decimal(text)
        value = rounded(exact)
        if math.isinf(value) or (value == 0 and exact != 0):
            raise ValueRefused  # out of range, also where it is too small
        return _MIDDLE, value

    return parse


def _single(value: float) -> float:
    """The float4 nearest to a float8."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.inf


def _nearest_single(exact: Decimal) -> float:
    """The float4 nearest to a number, which is not always the one nearest to its float8."""
    near = _single(float(exact))
    if near == 0 or math.isinf(near):
        return near
    goal = Fraction(exact)
    (bits,) = struct.unpack("<i", struct.pack("<f", near))
    near_by = (bits - 1, bits, bits + 1)
    around = {bit: struct.unpack("<f", struct.pack("<i", bit))[0] for bit in near_by}
    finite = {bit: value for bit, value in around.items() if math.isfinite(value)}
    best = min(finite, key=lambda bit: (abs(Fraction(finite[bit]) - goal), bit & 1))
    return float(finite[best])


def _read_float(found: Any) -> Key:
    # Records are read with exact numbers, which 0.1 is not.
    return _SPECIAL[found.lower()] if isinstance(found, str) else (_MIDDLE, float(found))


def _read_single(found: Any) -> Key:
    return _SPECIAL[found.lower()] if isinstance(found, str) else (_MIDDLE, _single(float(found)))


# --- the rest

# https://www.postgresql.org/docs/current/datatype-boolean.html: unique prefixes are accepted.
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def _boolean(text: str) -> bool:
    word = text.strip(_SPACE).lower()
    truths = [True for full in _TRUE if word and full.startswith(word)]
    truths += [False for full in _FALSE if word and full.startswith(word)]
    if len(truths) != 1:
        raise ValueRefused  # "o" could be on and off
    return truths[0]


def _uuid(text: str) -> str:
    bare = text[1:-1] if text.startswith("{") and text.endswith("}") else text
    if not re.fullmatch(r"[0-9a-f]{4}(-?[0-9a-f]{4}){7}", bare, _ASCII):
        raise ValueRefused
    return str(UUID(bare))


# --- times: (rank, value), so that what Python has not is before or after all that it has

_NEVER = datetime.min.replace(tzinfo=UTC)
_BEFORE, _PAST, _FUTURE, _AFTER = -2, -1, 1, 2
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_ZONE = r"(z|[+-](0\d|1[0-5])(:?[0-5]\d)?)?"


def _infinite(text: str) -> Rank | None:
    ranks = {"infinity": (_AFTER, _NEVER), "-infinity": (_BEFORE, _NEVER)}
    return ranks.get(text.strip(_SPACE).lower())


def _instant(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC, as for the triggers that write the records."""
    if not re.fullmatch(rf"{_DATE}([t ]{_TIME}{_ZONE})?", text, _ASCII):
        raise ValueRefused
    try:
        value = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueRefused from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _timestamptz(text: str) -> Key:
    infinite = _infinite(text)
    if infinite:
        return infinite
    try:
        return _MIDDLE, _instant(text).astimezone(UTC)
    except OverflowError:
        raise ValueRefused from None  # in UTC it is in a year that Python has not


def _timestamp(text: str) -> Key:
    # Postgres ignores a zone here.
    return _infinite(text) or (_MIDDLE, _instant(text).replace(tzinfo=UTC))


def _date(text: str) -> Key:
    if not re.fullmatch(_DATE, text, _ASCII):
        return _infinite(text) or _refused()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueRefused from None
    return _MIDDLE, datetime(day.year, day.month, day.day, tzinfo=UTC)


def _refused() -> Rank:
    raise ValueRefused


def _time(text: str) -> int:
    """Microseconds since midnight, of which 24:00 is one."""
    if not re.fullmatch(_TIME, text, _ASCII):
        raise ValueRefused
    hours, minutes, seconds = [*text.split(":"), "0"][:3]
    if int(minutes) > 59 or Decimal(seconds) >= 60:
        raise ValueRefused
    value = (int(hours) * 60 + int(minutes)) * 60_000_000 + int(Decimal(seconds) * 1_000_000)
    if value > 86_400_000_000:
        raise ValueRefused
    return value


def _read_time(parse: Callable[[str], Key]) -> Callable[[Any], Key]:
    def read(found: Any) -> Key:
        try:
            return parse(found)
        except ValueRefused:
            return (_PAST if found.endswith("BC") else _FUTURE), _NEVER

    return read


_TYPES: Mapping[str, ColumnType] = {
    "text": ColumnType("text", str, _as_it_is),
    "varchar": ColumnType("character varying", str, _as_it_is),
    "bpchar": ColumnType("character", _unpadded, _unpadded),
    "name": ColumnType("name", _name, _as_it_is),
    "int2": ColumnType("smallint", _integer(16), _as_it_is),
    "int4": ColumnType("integer", _integer(32), _as_it_is),
    "int8": ColumnType("bigint", _integer(64), _as_it_is),
    "numeric": ColumnType("numeric", _numeric, _read_numeric),
    "float4": ColumnType("real", _float(_nearest_single), _read_single),
    "float8": ColumnType("double precision", _float(float), _read_float),
    "bool": ColumnType("boolean", _boolean, _as_it_is),
    "uuid": ColumnType("uuid", _uuid, _as_it_is),
    "timestamptz": ColumnType("timestamp with time zone", _timestamptz, _read_time(_timestamptz)),
    "timestamp": ColumnType("timestamp without time zone", _timestamp, _read_time(_timestamp)),
    "date": ColumnType("date", _date, _read_time(_date)),
    "time": ColumnType("time without time zone", _time, _time),
}


def type_of(column: Column) -> ColumnType:
    """How the column's values compare; TypeUnknown where they do not here."""
    if column.kind == "e":
        return _enum(column.type, column.labels)
    try:
        return _TYPES[column.base]
    except KeyError:
        raise TypeUnknown(column.type) from None


def sql_name(column: Column) -> str:
    """The column's type as Postgres' own messages name it."""
    known = _TYPES.get(column.base)
    return known.sql_name if known and column.base == column.type else column.type


def _enum(name: str, labels: tuple[str, ...]) -> ColumnType:
    places = {label: place for place, label in enumerate(labels)}

    def place(label: str) -> int:
        try:
            return places[label]
        except KeyError:
            raise ValueRefused from None

    return ColumnType(name, place, place)
