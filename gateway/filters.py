"""Filters of a binding: `status=eq.pending,price=gte.1`. Parsed and typed once, at join.

Pure. All conditions must hold (docs/protocol.md, "Filters"). Each says what Postgres says of the
same predicate, NULL included, in time that no client can draw out; a filter of which that cannot be
promised raises `BadFilter` with a sentence. Grammar: gateway/filter_text.py.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.column_types import Key, TypeUnknown, ValueRefused, sql_name, type_of
from gateway.columns import ASCII_LETTERS, Column, Letters
from gateway.filter_text import BadFilter, Written, conditions, items, unquoted
from gateway.patterns import Budget, Exhausted, Pattern, like, regex

__all__ = ["BadFilter", "Condition", "Filter", "parse"]

MAX_PATTERNS = 5
PATTERN_COST = 500  # where a plain condition is 1

Test = Callable[[Any], bool | None]  # a column's JSON value -> SQL's true, false or NULL

_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    **_ORDERED,
}
_PATTERNS = ("like", "ilike", "match", "imatch")
_OPERATORS = (*_COMPARED, "in", *_PATTERNS[:2], "is", *_PATTERNS[2:], "isdistinct")


@dataclass(frozen=True, slots=True)
class Condition:
    """`column operator value`, made ready: a test of the column's value, or a pattern to look for.

    `value`: of an `eq`, as the column's type writes it.
    """

    column: Column
    operator: str
    negated: bool
    test: Test | Pattern
    value: Key | None = None

    def matches(self, row: Mapping[str, object], budget: Budget) -> bool:
        try:
            verdict = self._verdict(row.get(self.column.name), budget)
        except Exhausted:
            return True  # rather one too many than one lost
        except (TypeError, AttributeError, LookupError, ValueError, ValueRefused):
            # The column's type has just changed: the hub has such channels join anew.
            return False
        return verdict is not None and verdict is not self.negated

    def _verdict(self, found: Any, budget: Budget) -> bool | None:
        if not isinstance(self.test, Pattern):
            return self.test(found)
        return None if found is None else self.test.found_in(found, budget)


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold. `row` is a decoded record, numbers as Decimal or int.

    `budget`: what all filters together may cost that look at this row.
    """

    conditions: tuple[Condition, ...]

    def matches(self, row: Mapping[str, object], budget: Budget | None = None) -> bool:
        shared = budget or Budget()
        return all(condition.matches(row, shared) for condition in self.conditions)

    def fits(self, columns: Mapping[str, Column]) -> bool:
        """Whether all its columns are still there, and as they were when it was made."""
        return all(columns.get(one.column.name) == one.column for one in self.conditions)

    def required(self, column: str) -> Key | None:
        """The one value that `column` must equal, if a condition says so."""
        for condition in self.conditions:
            if condition.column.name == column and condition.value is not None:
                return condition.value
        return None

    @property
    def patterns(self) -> int:
        """How many of its conditions have a pattern."""
        return sum(isinstance(one.test, Pattern) for one in self.conditions)

    @property
    def cost(self) -> int:
        """What looking at one row costs, as against one plain condition."""
        return len(self.conditions) + PATTERN_COST * self.patterns


def parse(text: str, columns: Mapping[str, Column]) -> Filter:
    """The filter that `text` says, for a table with these columns."""
    if not text.strip():
        return Filter(())
    found = Filter(tuple(_condition(written, columns) for written in conditions(text)))
    if found.patterns > MAX_PATTERNS:
        raise BadFilter(
            f"too many conditions with like, ilike, match or imatch. Maximum {MAX_PATTERNS}"
        )
    return found


def _condition(written: Written, columns: Mapping[str, Column]) -> Condition:
    column = columns.get(written.column)
    if column is None:
        raise BadFilter(f"invalid column for filter {written.column[:64]}")
    if written.operator not in _OPERATORS:
        known = ", ".join(_OPERATORS)
        raise BadFilter(
            f"unknown operator {written.operator[:32]} in the filter on {column.name};"
            f" there are {known}, and not. before any"
        )
    try:
        test, value = _made(written, column)
    except TypeUnknown:
        raise BadFilter(
            f"the column {column.name} is of type {column.type}, by which no filter but `is` can be"
        ) from None
    except ValueRefused:
        kind = "input value for enum" if column.kind == "e" else "input syntax for type"
        raise BadFilter(
            f"invalid {kind} {sql_name(column)} in the filter on {column.name}"
        ) from None
    return Condition(column, written.operator, written.negated, test, value)


def _made(written: Written, column: Column) -> tuple[Test | Pattern, Key | None]:
    name = written.operator
    if name == "is":
        return _is(unquoted(written.value).strip().lower(), column), None
    if not column.collation.deterministic:
        raise BadFilter(
            f"the collation of {column.name} calls texts equal that differ; only `is` can be used"
        )
    if name in _PATTERNS:
        return _pattern(name, unquoted(written.value), column), None
    if name == "in":
        return _in(items(written.value), column), None
    if name == "isdistinct":
        return _is_distinct(unquoted(written.value), column), None
    test, value = _compared(name, unquoted(written.value), column)
    return test, value if name == "eq" and not written.negated else None


def _is(word: str, column: Column) -> Test:
    if column.kind == "c":
        raise BadFilter(f"the column {column.name} is of a row type, by which no filter can be")
    if word not in ("null", "true", "false", "unknown"):
        raise BadFilter("`is` takes null, true, false or unknown")
    if word == "null":
        return lambda found: found is None
    if column.base != "bool":
        raise BadFilter(f"`is.{word}` needs a boolean column, which {column.name} is not")
    wanted = {"true": True, "false": False}.get(word)
    return lambda found: found is wanted


def _compared(name: str, text: str, column: Column) -> tuple[Test, Key]:
    kind, compare = type_of(column), _COMPARED[name]
    if name in _ORDERED and not column.collation.by_code_point:
        raise BadFilter(
            f"{column.name} is ordered by the collation {column.collation.name}; {name} needs one"
            " that orders by code point, as C does"
        )
    value = kind.parse(text)
    return lambda found: None if found is None else compare(kind.read(found), value), value


def _in(texts: list[str], column: Column) -> Test:
    kind = type_of(column)
    values = frozenset(kind.parse(text) for text in texts)
    return lambda found: None if found is None else kind.read(found) in values


def _is_distinct(text: str, column: Column) -> Test:
    kind = type_of(column)
    value = kind.parse(text)
    return lambda found: found is None or kind.read(found) != value


def _pattern(name: str, text: str, column: Column) -> Pattern:
    if not column.is_text:
        raise BadFilter(f"`{name}` needs a text column, which {column.name} is not")
    return _PATTERN_OF[name](text, column)


def _ilike(text: str, column: Column) -> Pattern:
    return like(text, _letters("ilike", column))


def _match(text: str, column: Column) -> Pattern:
    known = column.collation.case != "other"
    return regex(text, _letters("match", column) if known else None, folded=False)


def _imatch(text: str, column: Column) -> Pattern:
    return regex(text, _letters("imatch", column), folded=True)


_PATTERN_OF: Mapping[str, Callable[[str, Column], Pattern]] = {
    "like": lambda text, _column: like(text),
    "ilike": _ilike,
    "match": _match,
    "imatch": _imatch,
}


def _letters(name: str, column: Column) -> Letters:
    letters = ASCII_LETTERS if column.collation.case == "ascii" else column.letters
    if letters is None:
        raise BadFilter(
            f"`{name}` is not offered on {column.name}: nothing is known here of how its collation"
            f" {column.collation.name} changes the case of letters"
        )
    return letters
