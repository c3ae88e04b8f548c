"""A table of every type that filters know, and both sides asked: the gateway, and Postgres itself.

Columns come from the statement that the gateway reads them with, letters as the relay asks for
them; the row is the JSON that the triggers would write. Not every PostgreSQL has every collation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from db.feed import Change
from db.queries import queries
from gateway import catalog
from gateway.columns import Collation, Column, Letters
from gateway.filters import parse
from gateway.frames import ChangeFrame

Connection = psycopg.Connection[TupleRow]

SCHEMA = """
create type mood as enum ('sad', 'ok', 'glad');
alter type mood add value 'meh' before 'ok';
create domain amount as numeric check (value < 1000000);
create domain balance as amount;
create table filtered (
    id int primary key, owner uuid,
    t text, tc text collate "C", v varchar, c character(5), nm name,
    i2 smallint, i4 integer, i8 bigint, n numeric, dom balance, f4 real, f8 double precision,
    b boolean, u uuid, tz timestamptz, ts timestamp, d date, tm time, m mood,
    doc jsonb, arr integer[], gap interval
);
"""
ICU = """
create collation caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
alter table filtered add ti text collate "und-x-icu", add nd text collate caseless;
"""
UNICODE_FAST = "alter table filtered add tf text collate pg_unicode_fast"
# What a filter's value is cast to, where it is not the column's own type.
CAST = {"c": "bpchar", "dom": "numeric"}
INFIX = {
    "eq": sql.SQL("="), "neq": sql.SQL("<>"), "lt": sql.SQL("<"), "lte": sql.SQL("<="),
    "gt": sql.SQL(">"), "gte": sql.SQL(">="), "like": sql.SQL("like"), "ilike": sql.SQL("ilike"),
    "match": sql.SQL("~"), "imatch": sql.SQL("~*"), "isdistinct": sql.SQL("is distinct from"),
}  # fmt: skip
IS = {word: sql.SQL(word) for word in ("null", "true", "false", "unknown")}
PATTERNS = ("like", "ilike", "match", "imatch")


@dataclass(frozen=True)
class Asked:
    """One condition. `values` has one value, but for `in`."""

    column: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False

    @property
    def text(self) -> str:
        """As a client writes it."""
        value = ",".join(map(quoted, self.values))
        if self.operator == "in":
            value = f"({value})"
        return f"{self.column}={'not.' * self.negated}{self.operator}.{value}"


class Stage:
    """`columns` as the gateway knows them; every stored row is asked about and forgotten."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        db.execute(SCHEMA)
        known = db.execute("select collname from pg_collation").fetchall()
        for name, more in (("und-x-icu", ICU), ("pg_unicode_fast", UNICODE_FAST)):
            if (name,) in known:
                db.execute(more)
        db.execute("create table shadow (like filtered)")
        db.execute("select sonnette.watch('filtered', 'owner')")
        rows = db.execute(queries["subscribable"]).fetchall()
        letters = {one: self._letters(one) for one in catalog.foldable(rows)}
        table = catalog.build(rows, letters).tables["public", "filtered"]
        self.columns: dict[str, Column] = dict(table.columns)
        self.types = {name: CAST.get(name) or column.type for name, column in table.columns.items()}

    def record(self, column: str, stored: str | None) -> str | None:
        """The row that has just this, as the triggers write it; None where it is no value."""
        query = sql.SQL(
            "with gone as (delete from shadow)"
            " insert into shadow (id, {}) values (1, {}) returning row_to_json(shadow)::text"
        ).format(sql.Identifier(column), sql.Literal(stored))
        try:
            row = self._db.execute(query).fetchone()
        except (psycopg.DataError, psycopg.IntegrityError):
            return None
        assert row is not None
        return str(row[0])

    def postgres_says(self, asked: Sequence[Asked]) -> bool:
        """Whether the row that was stored last matches; an error where Postgres refuses a value."""
        all_of = sql.SQL(" and ").join(map(self._predicate, asked))
        row = self._db.execute(sql.SQL("select coalesce({}, false) from shadow").format(all_of))
        return bool((row.fetchone() or [None])[0])

    def gateway_says(self, asked: Sequence[Asked], record: str) -> bool:
        """The same of the gateway; BadFilter where it refuses."""
        condition = parse(",".join(one.text for one in asked), self.columns)
        change = Change(1, "", "public", "filtered", "INSERT", record, None)
        return ChangeFrame(change, catalog.Catalog()).passes(condition)

    def _predicate(self, asked: Asked) -> sql.Composable:
        column = sql.Identifier(asked.column)
        if asked.operator == "is":
            found: sql.Composable = sql.SQL("{} is {}").format(column, IS[asked.values[0]])
        elif asked.operator == "in":
            values = sql.SQL(", ").join(self._typed(asked.column, one) for one in asked.values)
            found = sql.SQL("{} in ({})").format(column, values)
        else:
            pattern = asked.operator in PATTERNS
            value = sql.Literal(asked.values[0])
            typed = value if pattern else self._typed(asked.column, asked.values[0])
            found = sql.SQL("{} {} {}").format(column, INFIX[asked.operator], typed)
        return sql.SQL("not ({})" if asked.negated else "({})").format(found)

    def _typed(self, column: str, value: str) -> sql.Composable:
        return sql.SQL("({}::text)::{}").format(
            sql.Literal(value), sql.Identifier(self.types[column])
        )

    def _letters(self, collation: Collation) -> Letters:
        name = sql.Identifier(collation.schema, collation.name)
        rows = self._db.execute(sql.SQL(queries["letters"]).format(collation=name)).fetchall()
        return Letters(
            {code: lower for code, lower, _ in rows if lower != code},
            {code: upper for code, _, upper in rows if upper != code},
        )


def quoted(value: str) -> str:
    """As a client's builder writes a value."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
