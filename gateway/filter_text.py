"""The grammar of filters: `status=in.(a,"b,c"),price=not.lt.1` as its conditions, not yet typed.

Pure, and linear in the text, which is a client's. Conditions are separated by commas that stand
outside parentheses and outside a value's double quotes (docs/protocol.md, "Filters").
"""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_CONDITIONS = 20
MAX_IN_VALUES = 100


class BadFilter(Exception):
    """The filter cannot be used; the sentence says why and is shown to the client."""


@dataclass(frozen=True, slots=True)
class Written:
    """One condition as written: `column=[not.]operator.value`, the value still in its quotes."""

    column: str
    negated: bool
    operator: str
    value: str


def conditions(text: str) -> Iterator[Written]:
    """The conditions of a filter that is not blank, each when it is asked for."""
    _check_characters(text)
    parts = _split(text, behind_operator=True)
    if len(parts) > MAX_CONDITIONS:
        raise BadFilter(f"too many conditions in a filter. Maximum {MAX_CONDITIONS}")
    yield from (_written(part.strip()) for part in parts)


def items(value: str) -> list[str]:
    """The values of an `in`: `(a,"b,c")`."""
    if not (value.startswith("(") and value.endswith(")")):
        raise BadFilter("`in` filter value must be wrapped by parentheses")
    found = [unquoted(item.strip()) for item in _split(value[1:-1], behind_operator=False)]
    if len(found) > MAX_IN_VALUES:
        raise BadFilter(f"too many values for `in` filter. Maximum {MAX_IN_VALUES}")
    return found


def unquoted(text: str) -> str:
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


def _check_characters(text: str) -> None:
    # No text in Postgres has them, and none of what comes after has to think of them.
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise BadFilter("a filter has a character that no text in Postgres can have")


def _written(text: str) -> Written:
    if not text:
        raise BadFilter("filter must not contain empty segments (check for extra commas)")
    column, equals, rest = text.partition("=")
    operator, dot, value = rest.partition(".")
    negated = operator == "not" and bool(dot)
    if negated:
        operator, dot, value = value.partition(".")
    if not equals or not dot:
        raise BadFilter("a filter is written column=operator.value, as in status=eq.pending")
    return Written(column, negated, operator, value)


def _split(text: str, behind_operator: bool) -> list[str]:
    """Split at the commas that separate. Only a quote that begins a value opens a string.

    `behind_operator`: a part's value begins behind `=operator.`; else at once.
    """
    parts: list[str] = []
    start = depth = mark = 0
    marks, fresh, quoted, escaped = _marks(behind_operator), not behind_operator, False, False
    for index, char in enumerate(text):
        if quoted:
            quoted = escaped or char != '"'
            escaped = not escaped and char == "\\"
        elif char == '"' and fresh:
            quoted, fresh = True, False
        elif char == "," and depth == 0:
            parts.append(text[start:index])
            start, marks, fresh = index + 1, _marks(behind_operator), not behind_operator
        elif marks and char == marks[0]:
            if char == "=" or text[mark:index] != "not":
                marks = marks[1:]
            mark, fresh = index + 1, not marks
        else:
            depth = max(0, depth + {"(": 1, ")": -1}.get(char, 0))
            fresh = char in "(," or (fresh and char == " ")
    return [*parts, text[start:]]


def _marks(behind_operator: bool) -> str:
    return "=." if behind_operator else ""
