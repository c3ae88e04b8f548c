"""A filter lets through what Postgres itself would: the same predicate, asked of both.

Rows and filters are drawn by hypothesis over every column type that filters support. A value that
we refuse is none of this test's business; one that we take must mean the same to Postgres.
"""

import json
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
OPERATORS = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}

money = st.decimals(-(10**6), 10**6, allow_nan=False, allow_infinity=False, places=3).map(str)
numbers = money | st.sampled_from(["0", "1", "-1", "1.5", "0.1", "1e2", "100", "NaN", "-0", "0.30"])
integers = st.integers(-(2**15), 2**15 - 1).map(str) | st.sampled_from(
    ["0", "1", "+1", " 7 ", "007"]
)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=4)
moments = st.sampled_from(
    [
        "2026-01-01", "2026-01-01T12:00", "2026-01-01T12:00:00Z", "2026-01-01 12:00:00.5+02",
        "2026-01-01T12:00:00.123456-05:30", "2026-01-01T12:00:00.000001", "0001-01-01",
        "9999-12-31", "2026-02-29", "2024-02-29", "2026-01-01T24:00", "2026-1-1",
    ]
) | st.datetimes().map(lambda at: at.isoformat())  # fmt: skip
stored_moments = moments | st.sampled_from(
    ["infinity", "-infinity", "0044-03-15 BC", "12026-01-01"]
)
WRITTEN = {
    "t": texts, "v": texts, "i2": integers, "i4": integers, "i8": integers, "n": numbers,
    "f": numbers, "b": st.sampled_from(["t", "f", "TRUE", "no", "on", "of", "o", "0", "1", " y "]),
    "u": st.uuids().map(str) | st.uuids().map(lambda one: one.hex.upper()),
    "tz": moments, "ts": moments, "d": moments,
}  # fmt: skip
STORED = {**WRITTEN, "tz": stored_moments, "ts": stored_moments, "d": stored_moments}


@pytest.fixture
def plain(database: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection that writes times as the triggers do, and hypothesis asks without a loop."""
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


def asked(
    db: psycopg.Connection[TupleRow], column: str, operator: str, stored: str | None, value: str
) -> tuple[str, bool]:
    """The row as the triggers log it, and whether Postgres says that it matches."""
    type_ = sql.SQL(COLUMNS[column])
    query = sql.SQL(
        "with r as (select (%s::text)::{type} as {column})"
        " select row_to_json(r)::text,"
        " coalesce(r.{column} {operator} (%s::text)::{type}, false) from r"
    ).format(type=type_, column=sql.Identifier(column), operator=sql.SQL(OPERATORS[operator]))
    row = db.execute(query, (stored, value)).fetchone()
    assert row is not None
    return str(row[0]), bool(row[1])


def passes(record: str, text: str) -> bool:
    """What the gateway says."""
    change = Change(1, "", "public", "filtered", "INSERT", record, None)
    return ChangeFrame(change, build([])).passes(parse(text, PARSED))


def quoted(value: str) -> str:
    """As a client's builder writes a value."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_filter_says_what_postgres_says(
    plain: psycopg.Connection[TupleRow], data: st.DataObject
) -> None:
    column = data.draw(st.sampled_from(sorted(COLUMNS)))
    operator = data.draw(st.sampled_from(sorted(OPERATORS)))
    value = data.draw(WRITTEN[column])
    stored = data.draw(st.none() | STORED[column] | st.just(value))
    text = f"{column}={operator}.{quoted(value)}"
    try:
        parse(text, PARSED)
    except BadFilter:
        return
    assert cast(plain, column, value) is not None, "what we take, Postgres takes"
    if stored is not None and cast(plain, column, stored) is None:
        return
    record, expected = asked(plain, column, operator, stored, value)
    assert passes(record, text) is expected, (record, text)
    listed = f"{column}=in.({quoted(value)},{quoted(value)})"
    if operator == "eq":
        assert passes(record, listed) is expected


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
    record, expected = asked(plain, "n", "eq", digits, digits)
    assert expected
    assert json.loads(record, parse_float=Decimal)["n"] == Decimal(digits)
    assert passes(record, f"n=eq.{digits}")
    assert not passes(record, f"n=eq.{digits[:-1]}1")
