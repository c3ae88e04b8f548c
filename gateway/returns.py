"""Who comes back again and again, and how long such a caller waits at the door.

Some clients reconnect at once and for ever when a socket is accepted and soon ended (PyPI realtime
does). A caller whose last sockets were all brief, and none of them closed by itself, is let in ever
later, never refused. Pure: times are of the loop's clock. Memory is bounded: who was away longest
is forgotten first.
"""

from collections import OrderedDict
from dataclasses import dataclass

BRIEF_S = 5  # a socket that lasted this long was of use to somebody
FREE = 5  # brief sockets in a row: a bad line, a restart of ours
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5  # clients give up an opening handshake after 10 s
FORGOTTEN_AFTER_S = 60
MAX_CALLERS = 10_000

Caller = tuple[str, int]  # address, hash of the key: many users may share either


@dataclass(slots=True)
class _Record:
    brief: int
    last_s: float


class Returns:
    """Brief sockets in a row, by caller."""

    def __init__(self, max_callers: int = MAX_CALLERS) -> None:
        self._max_callers = max_callers
        self._records: OrderedDict[Caller, _Record] = OrderedDict()

    def ended(self, caller: Caller, lasted_s: float, closed_by_client: bool, now_s: float) -> None:
        """A socket of the caller's is over; a long one, or a farewell, clears the record."""
        before = self._records.pop(caller, None)
        if lasted_s >= BRIEF_S or closed_by_client:
            return
        brief = before.brief if before and not _forgotten(before, now_s) else 0
        self._records[caller] = _Record(brief + 1, now_s)
        if len(self._records) > self._max_callers:
            self._records.popitem(last=False)

    def wait_s(self, caller: Caller, now_s: float) -> float:
        """How long the caller's next socket waits before it is opened; mostly 0."""
        record = self._records.get(caller)
        if record is None or record.brief <= FREE or _forgotten(record, now_s):
            return 0
        doublings = min(record.brief - FREE - 1, 10)
        return min(FIRST_WAIT_S * 2.0**doublings, LONGEST_WAIT_S)

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._records)


def caller(address: str | None, key: str | None) -> Caller:
    """Who it is; the key itself is not kept."""
    return address or "", hash(key)


def _forgotten(record: _Record, now_s: float) -> bool:
    return now_s - record.last_s >= FORGOTTEN_AFTER_S
