"""The watched tables as the gateway last read them: what can be subscribed to, and its columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from gateway.columns import Collation, Column, Letters
from gateway.protocol import dumps


@dataclass(frozen=True, slots=True)
class Table:
    """One watched table. `columns`: by name, in the order of the table."""

    schema: str
    name: str
    owner_column: str
    columns: Mapping[str, Column]
    wire_columns: str  # the `columns` of a postgres_changes payload, as JSON text

    @property
    def key(self) -> frozenset[str]:
        """The columns of its primary key."""
        return frozenset(column.name for column in self.columns.values() if column.key)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All watched tables by (schema, name)."""

    tables: Mapping[tuple[str, str], Table] = field(default_factory=dict)

    def named(self, schema: str, table: str) -> list[Table]:
        """The tables that a binding's schema and table mean; "*" means any."""
        return [
            found
            for found in self.tables.values()
            if schema in ("*", found.schema) and table in ("*", found.name)
        ]

    def wire_columns(self, schema: str, table: str, only: frozenset[str] | None = None) -> str:
        """The columns for the wire; an empty list for a table no longer watched."""
        found = self.tables.get((schema, table))
        if found is None:
            return "[]"
        return found.wire_columns if only is None else _wire(found.columns, only)


Row = tuple[str, str, str, str]  # schema, table, owner column, JSON list of columns

_columns = msgspec.json.Decoder(list[Column]).decode


def build(rows: Iterable[Row], letters: Mapping[Collation, Letters] | None = None) -> Catalog:
    """The catalog from the answer to queries["subscribable"], and what is known of collations."""
    tables: dict[tuple[str, str], Table] = {}
    for schema, name, owner_column, columns in rows:
        known = {
            one.name: replace(one, letters=(letters or {}).get(one.collation))
            for one in _columns(columns)
        }
        tables[schema, name] = Table(schema, name, owner_column, known, _wire(known))
    return Catalog(tables)


def foldable(rows: Iterable[Row]) -> set[Collation]:
    """The collations of which Postgres has to be asked how their letters change their case."""
    found = {column.collation for _, _, _, columns in rows for column in _columns(columns)}
    return {one for one in found if one.case == "simple"}


def _wire(columns: Mapping[str, Column], only: frozenset[str] | None = None) -> str:
    return dumps(
        [
            {"name": column.name, "type": column.type}
            for column in columns.values()
            if only is None or column.name in only
        ]
    )
