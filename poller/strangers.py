"""Numbers that the provider lists and that no activation has: bought and lost, or somebody else's.

Pure: times are the seconds of a monotonic clock, handed in. A number is listed before its purchase
is answered, and answered before that is written, so it is no stranger until it has been one for
longer than all of that can take.
"""

from collections.abc import Collection, Sequence

from poller.providers.answers import ActiveList, ActiveRow

STRANGE_FOR_S = 45.0  # a purchase may take 30 s
SAY_AGAIN_S = 60.0


class Strangers:
    """Told every list; remembers what was found to be ours, so that only what is new is asked."""

    def __init__(self, strange_for_s: float = STRANGE_FOR_S) -> None:
        self._strange_for_s = strange_for_s
        self._ours: set[str] = set()
        self._since_s: dict[str, float] = {}
        self._said_s: dict[str, float] = {}

    def unknown(self, active: ActiveList) -> list[str]:
        """The living orders of the list about which the database has to be asked."""
        return [e.order_id for e in active.rows if e.alive and e.order_id not in self._ours]

    def strange(
        self, active: ActiveList, ours: Collection[str], now_s: float
    ) -> Sequence[ActiveRow]:
        """What was strange for too long, each said once a minute. `ours`: what is known now."""
        listed = {entry.order_id for entry in active.rows if entry.alive}
        self._ours = (self._ours & listed) | (listed & set(ours))
        strange = listed - self._ours
        self._since_s = {id: self._since_s.get(id, now_s) for id in strange}
        self._said_s = {id: at_s for id, at_s in self._said_s.items() if id in strange}
        due = {id for id in strange if self._is_due(id, now_s)}
        self._said_s |= dict.fromkeys(due, now_s)
        return [entry for entry in active.rows if entry.order_id in due]

    def _is_due(self, order_id: str, now_s: float) -> bool:
        said_s = self._said_s.get(order_id, float("-inf"))
        return (
            now_s - self._since_s[order_id] >= self._strange_for_s and now_s - said_s >= SAY_AGAIN_S
        )
