"""Values at the edges of their types: what a filter takes, Postgres takes.

What they mean is compared in tests/integration/test_filter_equivalence.py.
"""

import json
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from db.feed import Change
from gateway.catalog import build
from gateway.filters import BadFilter, parse
from gateway.frames import ChangeFrame
from tests.columns import columns_of
from tests.fixtures.postgres import Database

COLUMNS = {
    "t": "text", "v": "varchar", "i2": "int2", "i4": "int4", "i8": "int8", "n": "numeric",
    "f": "float8", "b": "bool", "u": "uuid", "tz": "timestamptz", "ts": "timestamp", "d": "date",
}  # fmt: skip
PARSED = columns_of(COLUMNS)


@pytest.fixture
def plain(database: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection that writes times as the triggers do."""
    with psycopg.connect(database.dsn(), autocommit=True) as db:
        db.execute("set timezone = 'UTC'")
        yield db


def cast(db: psycopg.Connection[TupleRow], column: str, text: str) -> str | None:
    """The text as Postgres writes that value of the column's type; None where it is none."""
    query = sql.SQL("select (%s::text)::{}::text").format(sql.SQL(COLUMNS[column]))
    try:
        row = db.execute(query, (text,)).fetchone()
    except psycopg.DataError:
        return None
    assert row is not None
    return str(row[0])


def record_of(db: psycopg.Connection[TupleRow], column: str, stored: str) -> str:
    """The row as the triggers log it."""
    query = sql.SQL("with r as (select (%s::text)::{} as {}) select row_to_json(r)::text from r")
    typed = query.format(sql.SQL(COLUMNS[column]), sql.Identifier(column))
    row = db.execute(typed, (stored,)).fetchone()
    assert row is not None
    return str(row[0])


def passes(record: str, text: str) -> bool:
    """What the gateway says."""
    change = Change(1, "", "public", "filtered", "INSERT", record, None)
    return ChangeFrame(change, build([])).passes(parse(text, PARSED))


def quoted(value: str) -> str:
    """As a client's builder writes a value."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("i4", ["0", "-5", "2147483647", "2147483648", "1.5", "", "x"]),
        ("i8", ["9223372036854775807", "9223372036854775808"]),
        ("i2", ["32767", "-32769"]),
        ("n", ["1e2", ".5", "5.", "1e-3", "--1", "1 2", "", "0x10"]),
        ("f", ["1e308", "1e309", "-1e-400", "1e400"]),
        ("b", ["t", "tr", "true", "truex", "o", "on", "of", "off", "1", "0", "2", "", "Y"]),
        ("u", ["a11ce000-0000-4000-8000-00000000000g", "A11CE00000004000800000000000000A", ""]),
        ("d", ["2026-02-30", "2026-02-28", "2026-13-01", "0000-01-01", "0001-01-01"]),
        ("tz", ["2026-01-01T00:00:60", "2026-01-01T12", "2026-01-01T12:00+15:59", ""]),
    ],
)
def test_what_we_take_postgres_takes(
    plain: psycopg.Connection[TupleRow], column: str, values: list[str]
) -> None:
    taken = []
    for value in values:
        try:
            parse(f"{column}=eq.{quoted(value)}", PARSED)
        except BadFilter:
            continue
        taken.append(value)
        assert cast(plain, column, value) is not None, value
    assert taken


def test_numbers_keep_their_digits_on_the_way(plain: psycopg.Connection[TupleRow]) -> None:
    digits = "12345678901234567890.123456789012345678901234567890"
    record = record_of(plain, "n", digits)
    assert json.loads(record, parse_float=Decimal)["n"] == Decimal(digits)
    assert passes(record, f"n=eq.{digits}")
    assert not passes(record, f"n=eq.{digits[:-1]}1")
