"""Patterns that clients send, `like` and regular expressions, matched in time linear in the text.

RE2 does the matching: it never backtracks. Its work is bounded by the length of the text times the
size of the pattern's program. All patterns that look at one change share a `Budget` of such work,
so that no number of filters holds up the loop.
"""

from collections.abc import Iterator

import re2

from gateway.columns import Letters
from gateway.filter_text import BadFilter
from gateway.regexes import RegexRefused, translate

MAX_PATTERN_CHARS = 256
MAX_PROGRAM = 1000
MAX_WORK = 2_000_000  # bytes of text times steps of the program: 25 ms at the very worst
_MAX_MEM_BYTES = 1 << 20

_OPTIONS = re2.Options()
_OPTIONS.max_mem = _MAX_MEM_BYTES
_OPTIONS.never_capture = True
_OPTIONS.dot_nl = True
_OPTIONS.log_errors = False


class Exhausted(Exception):
    """There is no work left to spend on finding out."""


class Budget:
    """The work that one change may cost: bytes of text times steps of programs."""

    __slots__ = ("_left",)

    def __init__(self, work: int = MAX_WORK) -> None:
        self._left = work

    def spend(self, work: int) -> None:
        """Exhausted where there is not that much left; something smaller may still be possible."""
        if work > self._left:
            raise Exhausted
        self._left -= work


class Pattern:
    """A compiled pattern. `folded`: the text's letters are made small before it is looked at."""

    __slots__ = ("_folded", "_regexp", "_size")

    def __init__(self, expression: str, folded: Letters | None = None) -> None:
        try:
            self._regexp = re2.compile(expression, _OPTIONS)
        except re2.error:
            raise BadFilter(TOO_COMPLICATED) from None
        self._size = max(1, self._regexp.programsize)
        self._folded = folded
        if self._size > MAX_PROGRAM:
            raise BadFilter(TOO_COMPLICATED)

    def found_in(self, text: str, budget: Budget) -> bool:
        """Whether the text has it; Exhausted where finding out could take too long."""
        budget.spend(len(text) * self._size)
        looked_at = text.translate(self._folded.lower) if self._folded else text
        encoded = looked_at.encode()
        budget.spend((len(encoded) - len(text)) * self._size)
        return self._regexp.search(encoded) is not None


TOO_COMPLICATED = "the pattern in a filter is too complicated"


def like(pattern: str, folded: Letters | None = None) -> Pattern:
    """SQL's LIKE: `%` any characters, `_` one, a backslash before either of them itself."""
    _check_length(pattern)
    if folded:
        pattern = pattern.translate(folded.lower)
    parts: list[str] = []
    chars = iter(pattern)
    for char in chars:
        if char == "\\":
            parts.append(_literal(_escaped(chars)))
        elif char != "%":
            parts.append("." if char == "_" else _literal(char))
        elif parts[-1:] != [".*"]:
            parts.append(".*")
    begins, ends = parts[:1] == [".*"], parts[-1:] == [".*"]
    inner = "".join(parts[begins : len(parts) - (ends and len(parts) > begins)])
    return Pattern(("" if begins else r"\A") + inner + ("" if ends else r"\z"), folded)


def regex(pattern: str, letters: Letters | None, folded: bool) -> Pattern:
    """Postgres' `~`, or `~*` where `folded`; `letters` are the collation's, None if unknown."""
    _check_length(pattern)
    try:
        found = translate(pattern, letters, folded)
    except RegexRefused as refused:
        raise BadFilter(f"invalid regular expression: {refused}") from None
    if found.size > 2 * MAX_PROGRAM:
        raise BadFilter(TOO_COMPLICATED)
    return Pattern(found.text)


def _check_length(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN_CHARS:
        raise BadFilter(f"a pattern has at most {MAX_PATTERN_CHARS} characters")


def _escaped(chars: Iterator[str]) -> str:
    char = next(chars, "")
    if not char:
        raise BadFilter("LIKE pattern must not end with escape character")
    return char


def _literal(char: str) -> str:
    return rf"\x{{{ord(char):x}}}"
