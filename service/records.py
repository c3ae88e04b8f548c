"""Rows of the feed as the HTTP API shows them: money as strings, times in UTC with a Z. Pure.

The feed keeps whole rows as PostgreSQL wrote them (price 0.50, times with an offset). Over HTTP a
row must read the same in /v1/changes as in /v1/activations, so that a client can merge the two.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

ColumnTypes = Mapping[str, str]
Row = msgspec.Raw  # the JSON text of a row
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class UnknownColumn(Exception):
    """The row has a column that is not among the known types."""


def on_wire(record: str, types: ColumnTypes, dropped_columns: bool = False) -> Row:
    """The row with its numeric columns as strings and its timestamptz ones as RFC 3339.

    `types` are PostgreSQL's type names by column. Raises UnknownColumn; with `dropped_columns` an
    unknown one was dropped since the row was logged, and is shown as it was.
    """
    row = _decode(record)
    if not dropped_columns and not row.keys() <= types.keys():
        raise UnknownColumn
    shown = {column: _shown(raw, types.get(column, "")) for column, raw in row.items()}
    return msgspec.Raw(msgspec.json.encode(shown))


def _shown(raw: msgspec.Raw, type_name: str) -> msgspec.Raw:
    text = bytes(raw)
    if text == b"null":
        return raw
    if type_name == "numeric" and not text.startswith(b'"'):  # NaN and Infinity are strings already
        return msgspec.Raw(b'"' + text + b'"')
    if type_name == "timestamptz":
        return _moment(raw)
    return raw


def _moment(raw: msgspec.Raw) -> msgspec.Raw:
    try:
        moment = datetime.fromisoformat(msgspec.json.decode(raw, type=str))
    except ValueError:  # infinity, and years that Python does not have
        return raw
    return msgspec.Raw(msgspec.json.encode(moment.astimezone(UTC)))
