"""`sonnette tail USER`: a user's feed as it moves, a JSON object a line; it outlives the database.

Promised to who pipes it: each change once, in order, from the cursor that `--since` names. Codes
and texts are *** unless they are asked for, which ops.audit then has.
"""

import sys
import time
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from db.backoff import Backoff
from db.errors import DatabaseUnavailable
from db.queries import queries
from sonnette import database

LOOK_ANYWAY_S = 10.0
MOST = 500


class Tail:
    """Follows `user` on the operator's `dsn`, from after `since`; None: from now on."""

    def __init__(self, dsn: str, user: UUID, since: int | None, *, codes: bool) -> None:
        self._dsn = dsn
        self._user = user
        self._since = since
        self._codes = codes

    def follow(self) -> None:
        """Print until interrupted."""
        backoff = Backoff(0.2, 5)
        while True:
            try:
                with database.connection(self._dsn, "tail") as opened:
                    opened.execute("listen sonnette")
                    backoff.reset()
                    self._on(opened)
            except DatabaseUnavailable as problem:
                print(f"{problem}; trying again", file=sys.stderr)
            time.sleep(backoff.next_s())

    def _on(self, opened: psycopg.Connection[TupleRow]) -> None:
        while True:
            self._catch_up(opened)
            for _ring in opened.notifies(timeout=LOOK_ANYWAY_S, stop_after=1):
                pass  # whoever's it is, looking costs little

    def _catch_up(self, opened: psycopg.Connection[TupleRow]) -> None:
        row = opened.execute(queries["tail_position"], {"user_id": self._user}).fetchone()
        last = int(row[0]) if row else 0
        if self._since is None:
            self._since = last
        while self._since < last:
            asked = {"user": str(self._user), "after": self._since, "codes": self._codes}
            found = opened.execute(queries["tail_changes"], {**asked, "most": MOST}).fetchall()
            if not found:
                return
            self._print(found)

    def _print(self, found: list[TupleRow]) -> None:
        if found[0][0] != (self._since or 0) + 1:
            print(f"what comes before {found[0][0]} was pruned", file=sys.stderr)
        for seq, line in found:
            print(line, flush=True)
            self._since = int(seq)
