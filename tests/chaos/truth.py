"""What the database says at the end: logs, rows, writes and money, for the checker to judge by."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, LiteralString, cast
from uuid import UUID

from db.feed import read_marks, wire_epoch
from tests.chaos.checker import Feed, Logged, Write
from tests.chaos.record import Key, Row, Rows, key_of
from tests.db_helpers import Connection, rows, value

LOG: LiteralString = """
    select n.seq, c.op, c.table_name, c.record::text as record, c.old::text as old
    from sonnette.numbers n join sonnette.changes c using (tx, n)
    where n.user_id = %s order by n.seq
"""
# By the rows' keys: a row that goes to another user is one more INSERT in the log.
WRITES: LiteralString = """
    select m.mark, m.inserted, count(distinct c.record ->> 'id')::int as found
    from marks m
    left join sonnette.changes c
        on c.table_name = 'cargo' and c.op = 'INSERT' and c.record ->> 'note' = m.mark
    group by m.mark
"""
WATCHED: LiteralString = "select table_schema, table_name, owner_column from sonnette.watched"


async def feed(db: Connection, user: UUID) -> Feed:
    """A user's feed, from one snapshot."""
    async with db.transaction():
        await db.execute("set transaction isolation level repeatable read")
        epoch, seq = await place(db, user)
        logged = {row["seq"]: _logged(row) for row in await rows(db, LOG, user)}
        marks = await read_marks(db, [str(user)])
        return Feed(epoch, seq, logged, await _state(db, user), marks.get(str(user), 0))


async def place(db: Connection, user: UUID) -> tuple[str, int]:
    """Where the user's feed is: in which history, and its last number."""
    epoch = await value(db, "select id from sonnette.epoch")
    seq = await value(db, "select max(last_seq) from sonnette.feeds where user_id = %s", user)
    return wire_epoch(epoch, str(user)), int(seq or 0)


async def reading(db: Connection, user: UUID) -> tuple[int, Rows]:
    """What a client gets that reads anew: the feed's number and all rows, from one snapshot."""
    async with db.transaction():
        await db.execute("set transaction isolation level repeatable read")
        return (await place(db, user))[1], await _state(db, user)


async def writes(db: Connection) -> Mapping[str, Write]:
    """Each mark with how many rows it inserted and how many the log has."""
    return {row["mark"]: Write(row["inserted"], row["found"]) for row in await rows(db, WRITES)}


async def money(db: Connection) -> list[str]:
    """What must be empty."""
    differences = await rows(db, "select * from sonnette.money_differences")
    return [f"{one['difference']}: {one['found']}, {one['wanted']}" for one in differences]


async def _state(db: Connection, user: UUID) -> dict[Key, Row]:
    """A SELECT as that user of every watched table."""
    found: dict[Key, Row] = {}
    for watched in await rows(db, WATCHED):
        schema, table, owner = watched.values()
        query = (
            f'select row_to_json(t)::text as r from "{schema}"."{table}" t where t."{owner}" = %s'
        )
        for one in await rows(db, query, user):
            row = _row(one["r"])
            assert row is not None
            found[key_of(table, row)] = row
    return found


def _logged(row: Mapping[str, Any]) -> Logged:
    return Logged(row["op"], row["table_name"], _row(row["record"]), _row(row["old"]))


def _row(text: str | None) -> Row | None:
    # With exact numbers, as the clients take what they are sent.
    return None if text is None else cast(Row, json.loads(text, parse_float=Decimal))
