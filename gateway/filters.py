"""Filters of a binding: `status=eq.pending,price=gte.1`. Parsed and typed once, at join.

Pure. Conditions are separated by top-level commas and all must hold; operators are eq, neq, lt,
lte, gt, gte and in (docs/protocol.md, "Filters"). Values compare as the column's type compares them
in Postgres; NULL matches nothing. A filter that cannot be used raises `BadFilter` with a sentence.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.column_types import Comparable, TypeUnknown, ValueRefused, parser_for, read

MAX_CONDITIONS = 20
MAX_IN_VALUES = 100


class BadFilter(Exception):
    """The filter cannot be used; the sentence says why and is shown to the client."""


_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "in": lambda found, values: found in values,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """`column operator value`, the value (for `in`: values) already of the column's type."""

    column: str
    operator: str
    value: Comparable | tuple[Comparable, ...]
    type_name: str

    def matches(self, row: Mapping[str, object]) -> bool:
        found = row.get(self.column)
        if found is None:
            return False
        try:
            return _OPERATORS[self.operator](read(self.type_name, found), self.value)
        except (TypeError, ValueRefused):
            # The column's type has just changed: the hub has such channels join anew.
            return False


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold. `row` is a decoded record, numbers as Decimal or int."""

    conditions: tuple[Condition, ...]

    def matches(self, row: Mapping[str, object]) -> bool:
        return all(condition.matches(row) for condition in self.conditions)

    def fits(self, columns: Mapping[str, str]) -> bool:
        """Whether all its columns are still there, with the types that it was made for."""
        return all(columns.get(one.column) == one.type_name for one in self.conditions)

    def required(self, column: str) -> Comparable | None:
        """The one value that `column` must equal, if a condition says so."""
        for condition in self.conditions:
            if condition.column == column and condition.operator == "eq":
                return condition.value if not isinstance(condition.value, tuple) else None
        return None


def parse(text: str, columns: Mapping[str, str]) -> Filter:
    """The filter that `text` says, for a table with `columns` (name -> Postgres type name)."""
    if not text.strip():
        return Filter(())
    parts = _split(text, before_value="=.")
    if len(parts) > MAX_CONDITIONS:
        raise BadFilter(f"too many conditions in a filter. Maximum {MAX_CONDITIONS}")
    return Filter(tuple(_condition(part.strip(), columns) for part in parts))


def _condition(text: str, columns: Mapping[str, str]) -> Condition:
    if not text:
        raise BadFilter("filter must not contain empty segments (check for extra commas)")
    column, equals, rest = text.partition("=")
    name, dot, value = rest.partition(".")
    if not equals or not dot:
        raise BadFilter("a filter is written column=operator.value, as in status=eq.pending")
    if column not in columns:
        raise BadFilter(f"invalid column for filter {column[:64]}")
    if name not in _OPERATORS:
        known = ", ".join(_OPERATORS)
        raise BadFilter(
            f"unknown operator {name[:32]} in the filter on {column}; there are {known}"
        )
    type_name = columns[column]
    if name == "in":
        values = tuple(_value(item, column, type_name) for item in _list(value))
        return Condition(column, name, values, type_name)
    return Condition(column, name, _value(_unquoted(value), column, type_name), type_name)


def _value(text: str, column: str, type_name: str) -> Comparable:
    try:
        return parser_for(type_name)(text)
    except TypeUnknown:
        raise BadFilter(
            f"the column {column} is of type {type_name}, by which no filter can be"
        ) from None
    except ValueRefused:
        raise BadFilter(
            f"invalid input syntax for type {type_name} in the filter on {column}"
        ) from None


def _list(text: str) -> list[str]:
    if not (text.startswith("(") and text.endswith(")")):
        raise BadFilter("`in` filter value must be wrapped by parentheses")
    items = [_unquoted(item.strip()) for item in _split(text[1:-1], before_value="")]
    if len(items) > MAX_IN_VALUES:
        raise BadFilter(f"too many values for `in` filter. Maximum {MAX_IN_VALUES}")
    return items


def _split(text: str, before_value: str) -> list[str]:
    """Split at commas that stand outside parentheses and outside a value's double quotes.

    `before_value`: the marks that come before a part's value. Only a quote that begins a value
    opens a string; others are part of the value. In linear time, for the text is a client's.
    """
    parts: list[str] = []
    start = depth = 0
    marks, fresh, quoted, escaped = before_value, not before_value, False, False
    for index, char in enumerate(text):
        if quoted:
            quoted = escaped or char != '"'
            escaped = not escaped and char == "\\"
        elif char == '"' and fresh:
            quoted, fresh = True, False
        elif char == "," and depth == 0:
            parts.append(text[start:index])
            start, marks, fresh = index + 1, before_value, not before_value
        elif marks and char == marks[0]:
            marks = marks[1:]
            fresh = not marks
        else:
            depth = max(0, depth + {"(": 1, ")": -1}.get(char, 0))
            fresh = char in "(," or (fresh and char == " ")
    return [*parts, text[start:]]


def _unquoted(text: str) -> str:
    """A value without its PostgREST quotes; as it is where they are malformed."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    found: list[str] = []
    escaped = False
    for char in text[1:-1]:
        if not escaped and char == '"':
            return text
        escaped = not escaped and char == "\\"
        if not escaped:
            found.append(char)
    return text if escaped else "".join(found)
