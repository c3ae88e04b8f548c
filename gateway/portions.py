"""How many changes one read may bring: so few that others do not wait long for it. Pure.

A read is bounded by changes and by bytes. How large changes are is known only once they are there;
what the last reads brought is taken for what the next will bring, and large ones are remembered
longer than small ones.
"""

from collections.abc import Iterable

from db.feed import Page

CHANGES_PER_USER = 100
CHANGES_PER_READ = 5_000  # whoever has become due meanwhile waits for all of them
BYTES_PER_READ = 262_144  # one or two milliseconds, from the database to the sockets
FORGET = 0.9  # of what changes were like is still believed after each further read


class Portions:
    """`most(users)` is how many changes of each user's the next read may ask for."""

    def __init__(self) -> None:
        self._change_bytes = 0.0

    def most(self, users: int) -> int:
        """At least one of each user's, however many and large they are."""
        each = max(users, 1)
        found = min(CHANGES_PER_USER, CHANGES_PER_READ // each)
        if self._change_bytes:
            found = min(found, int(BYTES_PER_READ / self._change_bytes) // each)
        return max(found, 1)

    def note(self, pages: Iterable[Page]) -> None:
        """What a read has brought."""
        sizes = [
            len(change.record or "") + len(change.old or "")
            for page in pages
            for change in page.changes
        ]
        if sizes:
            self._change_bytes = max(sum(sizes) / len(sizes), self._change_bytes * FORGET)
