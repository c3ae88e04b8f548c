"""Which history a connection has before it: asked at every connect, by whoever reads or listens.

A database that was promoted, restored from a dump or copied has another history than the one that
its epoch was given for, and sonnette.this_history() gives it a new one, once.
"""

from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db.errors import Incomplete, translated
from db.queries import queries


async def confirm(connection: AsyncConnection[TupleRow]) -> UUID:
    """The epoch of the history that this connection reads, a new one if that is another.

    Incomplete while the database has none.
    """
    with translated():
        row = await (await connection.execute(queries["this_history"])).fetchone()
    if row is None or row[0] is None:
        raise Incomplete
    epoch: UUID = row[0]
    return epoch
