"""`python -m bench`: measures Sonnette on this machine and prints what docs/performance.md has.

Everything is measured in the run itself: the gateway beside a bare relay, the trigger beside a
table without one. `--quick` takes less than a minute, for a rough comparison of two versions.
"""

import argparse
import asyncio
import resource
import sys
from contextlib import AsyncExitStack

from bench import machine, sections
from bench.child import child
from bench.phases import Marks
from bench.plan import FULL, QUICK, TINY, Plan
from bench.stack import Database, database

WRITERS = 2  # more would only take the processor from what is measured


def main() -> int:
    """Parse the arguments, run the plan, clean up."""
    plan = _plan()
    _raise_file_limit()
    busy = machine.load_average()
    with database(plan.users) as server:
        for line in machine.describe(server.version, server.durability):
            print(line)
        print(f"load average before the run: {busy:.2f}", flush=True)
        asyncio.run(measure(plan, server))
    return 0


async def measure(plan: Plan, server: Database) -> None:
    """All sections, one after the other."""
    marks = Marks()
    async with AsyncExitStack() as stack:
        writers = [
            await stack.enter_async_context(child("bench.writer", server.dsn))
            for _ in range(WRITERS)
        ]
        await sections.writer_cost(plan, writers[0], marks)
        await sections.idle_memory(plan, server)
        await sections.commit_to_client(plan, server, writers, marks)


def _plan() -> Plan:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Sonnette on this machine."
    )
    sizes = parser.add_mutually_exclusive_group()
    for words, plan, purpose in (
        ("--quick", QUICK, "under a minute, smaller crowds"),
        ("--tiny", TINY, "only to see that it works; the figures mean nothing"),
    ):
        sizes.add_argument(words, dest="plan", action="store_const", const=plan, help=purpose)
    chosen: Plan | None = parser.parse_args().plan
    return chosen or FULL


def _raise_file_limit() -> None:
    """Each socket is a file; the processes that we start inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
