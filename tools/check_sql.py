"""Parse all SQL of the project with PostgreSQL's own grammar, without a server.

Covers every .sql file in db/ and what each migration would send, both ways. The bodies of PL/pgSQL
functions are strings to this grammar; PostgreSQL checks them when the tests install them.
"""

import importlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pglast import parse_sql
from pglast.parser import ParseError

from db.queries import FILES

DB = Path(__file__).parent.parent / "db"
IDENTIFIER = re.compile(r"\{(\w+)\}")  # filled in by psycopg.sql
NAMED_PARAMETER = re.compile(r"%\((\w+)\)s")
BLOCK = re.compile(r"^(?=-- name: )", re.MULTILINE)


def main() -> int:
    """Print each syntax error; 1 if there is one."""
    texts = list(_texts())
    problems = [problem for name, text in texts if (problem := problem_in(name, text))]
    for problem in problems:
        print(problem)
    print(f"SQL: {len(texts)} texts parsed, {len(problems)} with errors")
    return 1 if problems else 0


def problem_in(name: str, text: str) -> str | None:
    """`name:line: what is wrong` with a text of SQL, or None."""
    try:
        parse_sql(text)
    except ParseError as error:
        message, offset = error.args[0], error.args[1] or 0
        line = text.encode()[:offset].count(b"\n") + 1
        return f"{name}:{line}: {message}"
    return None


def as_sent(text: str) -> str:
    """A statement as psycopg sends it: parameters numbered, identifiers quoted, %% unescaped."""
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}"

    quoted = IDENTIFIER.sub(r'"\1"', text)
    return NAMED_PARAMETER.sub(numbered, quoted).replace("%%", "%")


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted(DB.rglob("*.sql")):
        text = path.read_text("utf-8")
        name = f"db/{path.relative_to(DB)}"
        if path.name in FILES:
            yield from _queries(name, text)
        else:
            yield name, text
    for path in sorted((DB / "migrations" / "versions").glob("[0-9]*.py")):
        for way in ("upgrade", "downgrade"):
            yield f"db/migrations/versions/{path.name} ({way})", _migration(path.stem, way)


def _queries(name: str, text: str) -> Iterator[tuple[str, str]]:
    lines_before = 0
    for block in BLOCK.split(text):
        yield name, "\n" * lines_before + as_sent(block)
        lines_before += block.count("\n")


def _migration(module_name: str, way: str) -> str:
    """What alembic would send, by its offline mode."""
    module = importlib.import_module(f"db.migrations.versions.{module_name}")
    sent = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": sent}
    )
    with Operations.context(context):
        getattr(module, way)()
    return sent.getvalue()


if __name__ == "__main__":
    sys.exit(main())
