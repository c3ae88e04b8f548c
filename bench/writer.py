"""A writer: a process with one connection that makes changes and notes when each COMMIT returned.

`python -m bench.writer DSN` obeys `Write` commands on its stdin. Not asynchronous, so that the
clock is read the moment that libpq has the answer.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, LiteralString
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import TupleRow

from bench.messages import Committed, Write, queries, user_of

OUTAGE_LIMIT_S = 60
RETRY_S = 0.1

Values = Mapping[str, Any]


def main(dsn: str) -> None:
    """Answer each command with a line on stdout, until stdin ends."""
    writer = Writer(dsn)
    for line in sys.stdin.buffer:
        answer = write(writer, msgspec.json.decode(line, type=Write))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


class Writer:
    """The one connection, and another one after an outage."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._cursor = self._connected()

    def execute(self, statement: LiteralString, values: Values) -> None:
        """One transaction."""
        self._cursor.execute(statement, values, prepare=True)

    def insist(self, statement: LiteralString, values: Values) -> None:
        """The same until it has worked; one that was committed all the same changes nothing."""
        deadline = time.monotonic() + OUTAGE_LIMIT_S
        while True:
            try:
                return self.execute(statement, values)
            except psycopg.OperationalError:
                self._reconnect(deadline)

    def _reconnect(self, deadline: float) -> None:
        while True:
            try:
                self._cursor = self._connected()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)

    def _connected(self) -> psycopg.Cursor[TupleRow]:
        connection = psycopg.connect(
            self._dsn, autocommit=True, application_name="bench writer", connect_timeout=5
        )
        return connection.cursor(binary=True)


def write(writer: Writer, command: Write) -> Committed:
    """Each statement is a transaction of its own; a late one is not skipped but made at once."""
    times_ns: list[int] = []
    execute = writer.insist if command.insist else writer.execute
    statement = queries[command.statement]
    began_ns = time.monotonic_ns()
    many = command.statement.endswith("_many")
    for due_ns, ids, marks in plan(command):
        _sleep_until(due_ns)
        values: Values = {"ids": ids, "marks": marks} if many else {"id": ids[0], "mark": marks[0]}
        execute(statement, values)
        times_ns.append(time.monotonic_ns())
    return Committed(max(began_ns, command.start_ns), times_ns)


def plan(command: Write) -> Iterator[tuple[int, list[UUID], list[str]]]:
    """When each transaction is due, which rows it changes, and the marks that it gives them."""
    pause_ns = 1e9 * command.batch / command.per_s if command.per_s else 0
    marks = range(command.first, command.first + command.changes)
    for turn, begin in enumerate(range(0, len(marks), command.batch)):
        part = marks[begin : begin + command.batch]
        ids = [user_of(mark, command.first_user, command.users) for mark in part]
        yield command.start_ns + int(turn * pause_ns), ids, [f"b{mark}" for mark in part]


def _sleep_until(due_ns: int) -> None:
    ahead_ns = due_ns - time.monotonic_ns()
    if ahead_ns > 0:
        time.sleep(ahead_ns / 1e9)


if __name__ == "__main__":
    main(*sys.argv[1:])
