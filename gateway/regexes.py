"""Postgres' regular expressions as RE2 understands them, where both mean the same.

Pure. What is translated is the regular part of the dialect (PostgreSQL, "POSIX Regular
Expressions"): whether something matches does not depend there on which match an engine finds first.
Back references, look-ahead and what depends on a locale are refused with a sentence.
"""

from dataclasses import dataclass

from gateway.columns import ASCII_LETTERS, Letters

MAX_REPEAT = 255  # Postgres' own limit
MAX_DEPTH = 20
MAX_FOLDED_RANGE = 256

Ranges = list[tuple[int, int]]

_ANY = "(?s:.)"
_ANY_SIZE = 8
_CONTROL = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "f": "\f",
    "v": "\v",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
}
_DIGIT: Ranges = [(48, 57)]
_SPACE: Ranges = [(9, 13), (32, 32)]
_UPPER: Ranges = [(65, 90)]
_LOWER: Ranges = [(97, 122)]
_WORD = [*_DIGIT, *_UPPER, (95, 95), *_LOWER]
_SHORTHANDS = {"d": _DIGIT, "s": _SPACE, "w": _WORD}
_NAMED = {
    "digit": _DIGIT, "space": _SPACE, "upper": _UPPER, "lower": _LOWER,
    "alpha": [*_UPPER, *_LOWER], "alnum": [*_DIGIT, *_UPPER, *_LOWER], "word": _WORD,
    "xdigit": [*_DIGIT, (65, 70), (97, 102)], "blank": [(9, 9), (32, 32)],
    "cntrl": [(0, 31), (127, 127)],
    "punct": [(33, 47), (58, 64), (91, 96), (123, 126)],
    "graph": [(33, 126)],
    "print": [(32, 126)],
}  # fmt: skip
_ASCII_EVERYWHERE = ("d", "digit")


class RegexRefused(Exception):
    """Postgres would refuse it, or it means there what it cannot mean here. A sentence."""


@dataclass(frozen=True, slots=True)
class Translated:
    """RE2's text, and about how many steps its program will have."""

    text: str
    size: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """`letters` of the column's collation, None where they are unknown; `folded` for imatch."""

    letters: Letters | None
    folded: bool

    def variants(self, code: int) -> Ranges:
        """What a single character of the expression matches."""
        if not self.folded:
            return [(code, code)]
        letters = self.letters or ASCII_LETTERS
        return [
            (one, one) for one in (letters.lower.get(code, code), letters.upper.get(code, code))
        ]

    def spread(self, first: int, last: int) -> Ranges:
        """What a range of characters matches."""
        if not self.folded:
            return [(first, last)]
        if last - first > MAX_FOLDED_RANGE:
            raise RegexRefused("a range in an `imatch` expression is too large")
        folded = [one for code in range(first, last + 1) for one in self.variants(code)]
        return [(first, last), *folded]

    def named(self, name: str) -> Ranges:
        """The characters of `\\d` or `[:digit:]`."""
        everywhere = self.letters is not None and name in _ASCII_EVERYWHERE
        if self.letters is not ASCII_LETTERS and not everywhere:
            raise RegexRefused(
                f"what {name} means depends on the column's collation; write the characters,"
                " as in [A-Za-z0-9_]"
            )
        if self.folded and name in ("upper", "lower"):
            name = "alpha"
        known = _SHORTHANDS.get(name) or _NAMED.get(name)
        if known is None:
            raise RegexRefused(f"there is no character class {name[:16]}")
        return known


def translate(pattern: str, letters: Letters | None, folded: bool) -> Translated:
    """The expression for RE2, or RegexRefused. `letters` are the collation's, if they are known."""
    reading = _Reading(pattern, Dialect(letters, folded))
    found = reading.alternatives(0)
    if not reading.at_end:
        raise RegexRefused("parentheses () are not balanced")
    return found


class _Reading:
    """One pass over an expression."""

    def __init__(self, pattern: str, dialect: Dialect) -> None:
        self._pattern = pattern
        self._dialect = dialect
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._pattern)

    def alternatives(self, depth: int) -> Translated:
        if depth > MAX_DEPTH:
            raise RegexRefused("the expression is nested too deeply")
        branches = [self._branch(depth)]
        while self._take("|"):
            branches.append(self._branch(depth))
        return Translated(
            "|".join(one.text for one in branches), sum(one.size + 1 for one in branches)
        )

    def _branch(self, depth: int) -> Translated:
        parts: list[Translated] = []
        while not self.at_end and self._peek() not in "|)":
            parts.append(self._quantified(depth))
        return Translated("".join(one.text for one in parts), sum(one.size for one in parts))

    def _quantified(self, depth: int) -> Translated:
        anchor = self._anchor()
        atom = anchor or self._atom(depth)
        bounds = self._quantifier()
        if bounds is None:
            return atom
        if anchor or self._quantifier() is not None:
            raise RegexRefused("a quantifier (* + ? {}) has nothing to repeat")
        least, most = bounds
        mark = f"{{{least},{'' if most is None else most}}}"
        times = max(least, 1) if most is None else most
        return Translated(f"(?:{atom.text}){mark}", atom.size * times + 1)

    def _anchor(self) -> Translated | None:
        for written, meant in (("^", r"\A"), ("$", r"\z"), (r"\A", r"\A"), (r"\Z", r"\z")):
            if self._take(written):
                return Translated(meant, 1)
        return None

    def _quantifier(self) -> tuple[int, int | None] | None:
        bounds: tuple[int, int | None] | None = None
        for written, meant in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if bounds is None and self._take(written):
                bounds = meant
        if bounds is None and self._peek() == "{" and self._peek(1) in tuple("0123456789"):
            bounds = self._bounds()
        if bounds is not None:
            self._take("?")  # the shortest match: whether there is one remains the same
        return bounds

    def _bounds(self) -> tuple[int, int | None]:
        end = self._pattern.find("}", self._at)
        least, comma, most = self._pattern[self._at + 1 : max(end, self._at)].partition(",")
        if not _is_count(least) or not (most == "" or _is_count(most)):
            raise RegexRefused("a repetition is written {m}, {m,} or {m,n}, up to 255")
        if most and int(least) > int(most):
            raise RegexRefused("a repetition {m,n} has m greater than n")
        self._at = end + 1
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else None

    def _atom(self, depth: int) -> Translated:
        char = self._next()
        if char == "(":
            return self._group(depth)
        if char == "[":
            return self._bracket()
        if char == ".":
            return Translated(_ANY, _ANY_SIZE)
        if char == "\\":
            return self._escaped()
        if char in "*+?" or (char == "{" and self._peek() in tuple("0123456789")):
            raise RegexRefused("a quantifier (* + ? {}) has nothing to repeat")
        return _set(self._dialect.variants(ord(char)), negated=False)

    def _group(self, depth: int) -> Translated:
        if self._peek() == "?" and not self._take("?:"):
            raise RegexRefused("of the groups that begin with (? only (?:...) is offered")
        inner = self.alternatives(depth + 1)
        if not self._take(")"):
            raise RegexRefused("parentheses () are not balanced")
        return Translated(f"(?:{inner.text})", inner.size)

    def _escaped(self) -> Translated:
        char = self._next()
        if char.lower() in _SHORTHANDS:
            return _set(self._dialect.named(char.lower()), negated=char.isupper())
        return _set(self._dialect.variants(ord(self._plain_escape(char))), negated=False)

    @staticmethod
    def _plain_escape(char: str) -> str:
        if char in _CONTROL:
            return _CONTROL[char]
        if not char or char.isalnum():
            raise RegexRefused(f"the escape \\{char} is not offered in expressions")
        return char

    def _bracket(self) -> Translated:
        negated = self._take("^")
        ranges: Ranges = []
        first = True
        while first or self._peek() != "]":
            ranges += self._member(first)
            first = False
        self._at += 1
        return _set(ranges, negated)

    def _member(self, first: bool) -> Ranges:
        if self._take("[:"):
            return self._class()
        if self._peek() == "\\" and self._peek(1).lower() in _SHORTHANDS:
            return self._shorthand()
        start = self._end_point(first)
        if self._peek() != "-" or self._peek(1) == "]":
            return self._dialect.variants(start)
        self._at += 1
        end = self._end_point(first=False)
        if end < start:
            raise RegexRefused("a range [b-a] ends before it begins")
        return self._dialect.spread(start, end)

    def _class(self) -> Ranges:
        end = self._pattern.find(":]", self._at)
        if end < 0:
            raise RegexRefused("brackets [] are not balanced")
        name, self._at = self._pattern[self._at : end], end + 2
        return self._dialect.named(name)

    def _shorthand(self) -> Ranges:
        name, self._at = self._peek(1), self._at + 2
        if name.isupper():
            raise RegexRefused(f"the escape \\{name} is not offered within brackets")
        return self._dialect.named(name)

    def _end_point(self, first: bool) -> int:
        char = self._next()
        if not char:
            raise RegexRefused("brackets [] are not balanced")
        if char == "[" and self._peek() in tuple(".=:"):
            raise RegexRefused("collating elements in brackets are not offered")
        if char == "-" and not first and self._peek() != "]":
            raise RegexRefused("a - within brackets stands first, last or between two characters")
        if char == "\\":
            char = self._plain_escape(self._next())
        return ord(char)

    def _peek(self, ahead: int = 0) -> str:
        return self._pattern[self._at + ahead : self._at + ahead + 1]

    def _next(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _take(self, wanted: str) -> bool:
        if not self._pattern.startswith(wanted, self._at):
            return False
        self._at += len(wanted)
        return True


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 4 and int(text) <= MAX_REPEAT


def _set(ranges: Ranges, negated: bool) -> Translated:
    written = "".join(
        rf"\x{{{first:x}}}" if first == last else rf"\x{{{first:x}}}-\x{{{last:x}}}"
        for first, last in sorted(set(ranges))
    )
    single = len(set(ranges)) == 1 and ranges[0][0] == ranges[0][1]
    size = len(chr(ranges[0][0]).encode()) if single else 2 * len(ranges)
    return Translated(f"[{'^' if negated else ''}{written}]", size + _ANY_SIZE * negated)
