"""A change as clients get it: `data` of a postgres_changes frame, built from the log's own text.

Pure. Each value stays the JSON text that Postgres wrote; the feed's two numbers are set behind the
last column. Rows are parsed only where a filter has to look inside, or `select` to take out.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from db.feed import Change
from gateway.catalog import Catalog
from gateway.filters import Filter
from gateway.patterns import Budget
from gateway.protocol import dumps

Only = frozenset[str] | None  # the columns that a binding selects; None: all

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_taken_apart = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ChangeFrame:
    """One change, encoded once for all who get it with the same `feed_prev` and columns."""

    __slots__ = ("_budget", "_catalog", "_data", "_row", "_rows", "change")

    def __init__(self, change: Change, catalog: Catalog) -> None:
        self.change = change
        self._catalog = catalog
        self._budget = Budget()
        self._row: Mapping[str, Any] | None = None
        self._rows: dict[tuple[str, Only], str] = {}
        self._data: dict[tuple[int, Only], str] = {}

    def passes(self, condition: Filter | None) -> bool:
        """Whether the filter lets the change through: its new row, or the old one of a DELETE."""
        if condition is None:
            return True
        if self._row is None:
            try:
                self._row = _row(self.change.record or self.change.old or "{}")
            except RecursionError:
                return True  # a document nested a thousand deep: rather one too many than one lost
        return condition.matches(self._row, self._budget)

    def data(self, prev: int, only: Only = None) -> str:
        """JSON: {schema, table, commit_timestamp, type, columns, record, old_record, errors}."""
        found = self._data.get((prev, only))
        if found is None:
            found = self._data[prev, only] = self._encode(prev, only)
        return found

    def _encode(self, prev: int, only: Only) -> str:
        change = self.change
        columns = self._catalog.wire_columns(change.schema, change.table, only)
        return (
            f'{{"schema":{dumps(change.schema)},"table":{dumps(change.table)},'
            f'"commit_timestamp":"{change.commit_timestamp}","type":"{change.op}",'
            f'"columns":{columns},{self._both(prev, only)},"errors":null}}'
        )

    def _both(self, prev: int, only: Only) -> str:
        change = self.change
        old = self._reduced(change.old or "{}", only)
        if change.record is None:
            return f'"old_record":{_numbered(old, change.seq, prev)}'
        record = f'"record":{_numbered(self._reduced(change.record, only), change.seq, prev)}'
        return record if change.old is None else f'{record},"old_record":{old}'

    def _reduced(self, row: str, only: Only) -> str:
        if only is None:
            return row
        found = self._rows.get((row, only))
        if found is None:
            found = self._rows[row, only] = _selected(row, only)
        return found


def _row(text: str) -> Mapping[str, Any]:
    try:
        return _decode(text)
    except msgspec.ValidationError:  # a whole number of thousands of digits is none for msgspec
        return {name: _value(bytes(raw)) for name, raw in _taken_apart(text).items()}


def _value(raw: bytes) -> object:
    if raw[:1] in b"-0123456789":
        return Decimal(raw.decode())
    return msgspec.json.decode(raw) if raw[:1] not in b"[{" else ()


def _selected(row: str, only: frozenset[str]) -> str:
    try:
        taken = _taken_apart(row)
    except RecursionError:
        return row  # as above: rather too much of it than nothing
    return dumps({name: value for name, value in taken.items() if name in only})


def _numbered(row: str, seq: int, prev: int) -> str:
    # A watched row has at least its key and its owner, so there is always something before.
    return f'{row[:-1]},"feed_seq":{seq},"feed_prev":{prev}}}'
