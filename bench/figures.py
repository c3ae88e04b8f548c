"""From times to figures: pure arithmetic, so that a test can say that it is right."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.messages import Arrivals


@dataclass(frozen=True)
class Delays:
    """Commit to client, in milliseconds, and what went wrong: nothing may."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    changes: int
    lost: int
    doubled: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values; not a number where there are none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def delays(committed_ns: Mapping[int, int], arrivals: Arrivals) -> Delays:
    """How long each change took from its COMMIT's return to its arrival at its one socket."""
    first: dict[int, int] = {}
    for mark, at_ns in zip(arrivals.marks, arrivals.times_ns, strict=True):
        first.setdefault(mark, at_ns)
    taken = sorted((first[m] - at) / 1e6 for m, at in committed_ns.items() if m in first)
    return Delays(
        p50_ms=percentile(taken, 0.50),
        p95_ms=percentile(taken, 0.95),
        p99_ms=percentile(taken, 0.99),
        changes=len(committed_ns),
        lost=len(committed_ns) - len(taken),
        doubled=len(arrivals.marks) - len(first),
    )


def median_of(rounds: Sequence[Delays]) -> Delays:
    """The median of each figure over the rounds; all that was made, lost or doubled in sum."""
    return Delays(
        p50_ms=statistics.median(r.p50_ms for r in rounds),
        p95_ms=statistics.median(r.p95_ms for r in rounds),
        p99_ms=statistics.median(r.p99_ms for r in rounds),
        changes=sum(r.changes for r in rounds),
        lost=sum(r.lost for r in rounds),
        doubled=sum(r.doubled for r in rounds),
    )


def spread(values: Iterable[float]) -> str:
    """`lowest to highest`, for beside a median."""
    ordered = sorted(values)
    return f"{ordered[0]:.2f} to {ordered[-1]:.2f}"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much the second number rises for each of the first: least squares; 0 for one point."""
    times, values = zip(*points, strict=True)
    if len(set(times)) < 2:
        return 0
    return statistics.linear_regression(times, values).slope
