"""The figures as Markdown, so that what was printed can stand in docs/performance.md as it is."""

from collections.abc import Sequence

from bench.figures import Delays
from bench.phases import Sustained

DELAY_HEAD = ("what", "changes/s", "sockets", "p50 ms", "p95 ms", "p99 ms", "changes", "lost")
BATCH_HEAD = ("offered/s", "arrived/s", "p50 ms", "p95 ms", "p99 ms", "lost", "kept up")


def title(words: str) -> None:
    """A heading, shown at once: the run takes minutes."""
    print(f"\n### {words}\n", flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table."""
    print(f"| {' | '.join(head)} |")
    print(f"|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)


def delay_row(what: str, per_s: int, sockets: int, found: Delays) -> list[str]:
    """A row under DELAY_HEAD; doubled changes count as lost ones, both being faults."""
    return [
        what,
        f"{per_s:,}",
        f"{sockets:,}",
        f"{found.p50_ms:.2f}",
        f"{found.p95_ms:.2f}",
        f"{found.p99_ms:.2f}",
        f"{found.changes:,}",
        _faults(found),
    ]


def batch_row(step: Sustained) -> list[str]:
    """A row under BATCH_HEAD."""
    return [
        f"{step.offered_per_s:,.0f}",
        f"{step.arrived_per_s:,.0f}",
        f"{step.delays.p50_ms:.1f}",
        f"{step.delays.p95_ms:.1f}",
        f"{step.delays.p99_ms:.1f}",
        _faults(step.delays),
        "yes" if step.kept_up else "no",
    ]


def _faults(found: Delays) -> str:
    return f"{found.lost}, {found.doubled} doubled" if found.doubled else str(found.lost)
