"""The watched tables as the gateway last read them: what can be subscribed to, and column types."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.protocol import dumps


@dataclass(frozen=True, slots=True)
class Table:
    """One watched table. `columns`: name -> Postgres type name, in the order of the table."""

    schema: str
    name: str
    owner_column: str
    columns: Mapping[str, str]
    wire_columns: str  # the `columns` of a postgres_changes payload, as JSON text


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

    def wire_columns(self, schema: str, table: str) -> str:
        """The columns for the wire; an empty list for a table no longer watched."""
        found = self.tables.get((schema, table))
        return found.wire_columns if found else "[]"


Row = tuple[str, str, str, list[str], list[str]]


def build(rows: Iterable[Row]) -> Catalog:
    """The catalog from the answer to queries["watched_tables"]."""
    tables: dict[tuple[str, str], Table] = {}
    for schema, name, owner_column, columns, types in rows:
        typed = dict(zip(columns, types, strict=True))
        wire = dumps([{"name": column, "type": type_} for column, type_ in typed.items()])
        tables[schema, name] = Table(schema, name, owner_column, typed, wire)
    return Catalog(tables)
