"""A column as filters need to know it: its type, how its text is ordered, how its letters fold.

Pure. gateway/catalog.py builds columns from what Postgres says of itself; gateway/filters.py
compares as Postgres would, or refuses at join where these facts do not allow that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

TEXT_TYPES = frozenset({"text", "varchar", "bpchar", "name"})


@dataclass(frozen=True, slots=True)
class Letters:
    """How single characters change their case: code point -> code point, where they do."""

    lower: Mapping[int, int]
    upper: Mapping[int, int]


ASCII_LETTERS = Letters(
    str.maketrans(ascii_uppercase, ascii_lowercase), str.maketrans(ascii_lowercase, ascii_uppercase)
)


@dataclass(frozen=True, slots=True)
class Collation:
    """What a column's collation means for comparisons.

    `by_code_point`: it orders as the C collation does. `case`: letters change their case as ASCII,
    each by itself ("simple": Postgres is asked how), or in a way that we do not know ("other").
    """

    schema: str
    name: str
    deterministic: bool = True
    by_code_point: bool = True
    case: Literal["ascii", "simple", "other"] = "ascii"


C_COLLATION = Collation("pg_catalog", "C")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is pg_type.typname, as on the wire; `base` the same beneath any domains.

    `kind` is the base's pg_type.typtype; `labels` are an enum's, in its order; `letters` are those
    of the collation where its `case` is "simple".
    """

    name: str
    type: str
    base: str
    kind: str = "b"
    labels: tuple[str, ...] = ()
    collation: Collation = C_COLLATION
    key: bool = False
    letters: Letters | None = None

    @property
    def is_text(self) -> bool:
        """Whether `like` and regular expressions mean something here."""
        return self.base in TEXT_TYPES
