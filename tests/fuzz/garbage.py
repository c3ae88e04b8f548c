"""Random text and JSON, by seed: the same seed gives the same, on every Python."""

import json
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

WORDS = (
    "", "*", "null", "true", "NaN", "-0", "1e999", "public", "cargo", "activations", "id", "owner",
    "eq.", "in.(", "not.", "realtime:", "phoenix", "%s", "%(x)s", "';--", "$1", "\x00", "\x1b[2J",
    "\u2028", "\ufeff", "é", "ß", "\U0001f514", "..", "/", "\\", '"', "a11ce000-0000-4000-8000-0",
    "9223372036854775808", "-1", "0", "2026-02-30T25:61:00Z", "infinity",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63), 10**400, 0.1, -1e308)
MAX_DEPTH = 4


class Garbage:
    """One source of nonsense."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def often(self, chance: float) -> bool:
        """True with that chance."""
        return self.random.random() < chance

    def one_of(self, *choices: T) -> T:
        """One of these."""
        return self.random.choice(choices)

    def some_of(self, choices: Sequence[T], most: int) -> list[T]:
        """Up to `most` of these, some of them twice."""
        return self.random.choices(choices, k=self.random.randint(0, most))

    def text(self, most: int = 6) -> str:
        """Words that have hurt programs before, glued together."""
        if self.often(0.02):
            return self.one_of(*WORDS) * self.random.randint(1, 3000)
        return "".join(self.some_of(WORDS, most))

    def raw(self, most: int = 2000) -> bytes:
        """Bytes."""
        return self.random.randbytes(self.random.randint(0, most))

    def value(self, depth: int = 0) -> object:
        """A value of JSON."""
        kind = self.random.randint(0, 7 if depth < MAX_DEPTH else 4)
        if kind < 2:
            return self.text()
        if kind < 5:
            return self.one_of(None, True, False, *NUMBERS)
        if kind < 6:
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 4))]
        return {self.text(2): self.value(depth + 1) for _ in range(self.random.randint(0, 4))}

    def json(self, value: object) -> str:
        """JSON text of `value`, sometimes not quite."""
        text = json.dumps(value, ensure_ascii=self.often(0.5))
        return self.mutated(text) if self.often(0.1) else text

    def mutated(self, text: str) -> str:
        """The text with something taken out, put in, or said twice."""
        start = self.random.randint(0, len(text))
        end = min(len(text), start + self.random.randint(0, 8))
        middle = self.one_of(
            "", self.text(2), text[start:end] * 2, "[" * self.random.randint(1, 5000)
        )
        return text[:start] + middle + text[end:]
