"""Columns and watched tables as the gateway knows them, for tests that ask no database."""

import json
from collections.abc import Mapping

from gateway import catalog
from gateway.columns import Column


def columns_of(types: Mapping[str, str], *key: str) -> dict[str, Column]:
    """Columns by name, with these types; text in the C collation."""
    return {name: Column(name, type_, type_, key=name in key) for name, type_ in types.items()}


def table_row(name: str, owner_column: str, types: Mapping[str, str], key: str) -> catalog.Row:
    """A watched table `schema.table`, as the database describes it."""
    schema, _, table = name.partition(".")
    columns = [
        {"name": column, "type": type_, "base": type_, "key": column == key}
        for column, type_ in types.items()
    ]
    return schema, table, owner_column, json.dumps(columns)
