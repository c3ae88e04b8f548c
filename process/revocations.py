"""Which users' tokens were taken back, and until when: what sonnette.revocations said last.

Pure. Until it has been read once nobody can say whether a token still counts: `known` is False.
"""

from collections.abc import Iterable
from datetime import datetime


class Revocations:
    """`version` grows whenever somebody's tokens have been revoked."""

    def __init__(self) -> None:
        self._not_before: dict[str, datetime] = {}
        self.known = False
        self.version = 0

    def replace(self, all_of_them: Iterable[tuple[str, datetime]]) -> None:
        """Everything anew, as after a reconnect: the database may be another one now."""
        before, self._not_before = self._not_before, dict(all_of_them)
        self.known = True
        self.version += before != self._not_before

    def add(self, more: Iterable[tuple[str, datetime]]) -> None:
        """What has come since. A row that is known already changes nothing."""
        fresh = {user: at for user, at in more if self._not_before.get(user) != at}
        self._not_before |= fresh
        self.version += bool(fresh)

    def cover(self, user_id: str, issued_at: datetime | None) -> bool:
        """Whether a token of that user's was revoked; one that cannot say from when it is, was."""
        not_before = self._not_before.get(user_id)
        return not_before is not None and (issued_at is None or issued_at < not_before)
