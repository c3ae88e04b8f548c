"""A change as clients get it: `data` of a postgres_changes frame, built from the log's own text.

Pure. The rows stay the JSON text that Postgres wrote; the feed's two numbers are set behind their
last column. They are parsed only where a filter has to look inside.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from db.feed import Change
from gateway.catalog import Catalog
from gateway.filters import Filter
from gateway.protocol import dumps

_decode: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(
    dict[str, Any], float_hook=Decimal
)


class ChangeFrame:
    """One change, encoded once for all who get it with the same `feed_prev`."""

    __slots__ = ("_columns", "_data", "_prev", "_row", "change")

    def __init__(self, change: Change, catalog: Catalog) -> None:
        self.change = change
        self._columns = catalog.wire_columns(change.schema, change.table)
        self._row: Mapping[str, Any] | None = None
        self._data = ""
        self._prev = -1

    def passes(self, condition: Filter | None) -> bool:
        """Whether the filter lets the change through: its new row, or the old one of a DELETE."""
        if condition is None:
            return True
        if self._row is None:
            try:
                self._row = _decode.decode(self.change.record or self.change.old or "{}")
            except RecursionError:
                return True  # a document nested a thousand deep: rather one too many than one lost
        return condition.matches(self._row)

    def data(self, prev: int) -> str:
        """JSON: {schema, table, commit_timestamp, type, columns, record, old_record, errors}."""
        if prev != self._prev:
            self._prev = prev
            self._data = self._encode(prev)
        return self._data

    def _encode(self, prev: int) -> str:
        change = self.change
        return (
            f'{{"schema":{dumps(change.schema)},"table":{dumps(change.table)},'
            f'"commit_timestamp":"{change.commit_timestamp}","type":"{change.op}",'
            f'"columns":{self._columns},{self._rows(prev)},"errors":null}}'
        )

    def _rows(self, prev: int) -> str:
        change = self.change
        if change.record is None:
            return f'"old_record":{_numbered(change.old or "{}", change.seq, prev)}'
        record = f'"record":{_numbered(change.record, change.seq, prev)}'
        return record if change.old is None else f'{record},"old_record":{change.old}'


def _numbered(row: str, seq: int, prev: int) -> str:
    # A watched row has at least its key and its owner, so there is always something before.
    return f'{row[:-1]},"feed_seq":{seq},"feed_prev":{prev}}}'
