"""Which processes live, by their rows in sonnette.processes: for people. Pure.

Who is stopped is not shown. Who has fallen silent without a word is, until a process of the same
kind on the same host has taken its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sonnette.findings import Finding

LOST_AFTER_S = 10  # three heartbeats
FORGOTTEN_AFTER_S = 3600
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True)
class Seen:
    """One row; times in seconds until now."""

    kind: str
    host: str
    pid: int
    version: str
    up_s: float
    unseen_s: float
    stopped: bool
    problems: Sequence[str]
    facts: Mapping[str, int]

    @property
    def lives(self) -> bool:
        """Whether it has said so of late."""
        return not self.stopped and self.unseen_s < LOST_AFTER_S


def census(rows: Sequence[Seen]) -> list[Finding]:
    """A finding for each process that lives, or that is missed."""
    places = {(row.kind, row.host) for row in rows if row.lives}
    return [_finding(row) for row in rows if row.lives or _missed(row, places)]


def _missed(row: Seen, places: set[tuple[str, str]]) -> bool:
    replaced = (row.kind, row.host) in places
    return not row.stopped and not replaced and row.unseen_s < FORGOTTEN_AFTER_S


def _finding(row: Seen) -> Finding:
    name = f"{row.kind} {row.pid} on {row.host}"
    if not row.lives:
        lost = f"not seen for {duration(row.unseen_s)}: killed, or without its database"
        return Finding(name, False, lost)
    facts = "".join(f", {count} {what}" for what, count in row.facts.items())
    alive = f"version {row.version}, up {duration(row.up_s)}{facts}"
    return Finding(name, not row.problems, "; ".join([alive, *row.problems]))


def duration(seconds: float) -> str:
    """The largest unit that fits, as `3 min`."""
    for unit, size_s in _UNITS:
        if seconds >= size_s:
            return f"{int(seconds // size_s)} {unit}"
    return "0 s"
