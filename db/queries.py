"""The statements of `queries*.sql`, by name: `queries["feed_after"]`.

A block begins with `-- name: x` and ends at the next one. All SQL that Python sends stands there,
where it is read as SQL in review and can be pasted into psql.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def parse(text: str) -> dict[str, LiteralString]:
    """Split the text at its `-- name:` lines. ValueError on a name given twice."""
    parts = _NAME.split(text)
    found: dict[str, LiteralString] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise ValueError(f"the queries name {name} twice")
        # The text ships with this package, as literal as the code is.
        found[name] = cast(LiteralString, body.strip())
    return found


FILES = ("queries.sql", "queries_service.sql", "queries_poller.sql")

queries: Mapping[str, LiteralString] = MappingProxyType(
    parse("\n".join((files("db") / name).read_text(encoding="utf-8") for name in FILES))
)
