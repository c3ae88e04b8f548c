"""`python -m bench`: measures Sonnette on this machine and prints what docs/performance.md has.

Everything is measured in the run itself: the gateway beside a bare relay, the trigger beside a
table without one. `--quick` takes about two minutes, for a rough comparison of two versions;
`--only kill,churn` measures just these sections.
"""

import argparse
import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import replace

from bench import machine, outages, sections
from bench.child import child
from bench.churn import memory_over_churn
from bench.phases import Marks
from bench.plan import FULL, QUICK, TINY, Plan
from bench.stack import Database, database
from bench.stuck import beside_stuck_clients
from bench.webhooks import webhook_to_socket

WRITERS = 2  # more would only take the processor from what is measured


SECTIONS = ("cost", "memory", "delay", "kill", "postgres", "stuck", "churn", "webhook")


def main() -> int:
    """Parse the arguments, run the plan, clean up."""
    chosen = _chosen()
    plan: Plan = chosen.plan or FULL
    if chosen.sockets:
        plan = replace(plan, killed_crowd=chosen.sockets, postgres_crowd=chosen.sockets)
        plan = replace(plan, users=max(plan.users, chosen.sockets))
    if chosen.seconds:
        plan = replace(plan, churn_s=chosen.seconds)
    _raise_file_limit()
    busy = machine.load_average()
    with database(plan.users) as server:
        for line in machine.describe(server.version, server.durability):
            print(line)
        print(f"load average before the run: {busy:.2f}", flush=True)
        asyncio.run(measure(plan, server, chosen.only))
    return 0


async def measure(plan: Plan, server: Database, only: Collection[str]) -> None:
    """The chosen sections, one after the other."""
    marks = Marks()
    async with AsyncExitStack() as stack:
        writers = [
            await stack.enter_async_context(child("bench.writer", server.dsn))
            for _ in range(WRITERS)
        ]
        runs: dict[str, Callable[[], Awaitable[None]]] = {
            "cost": lambda: sections.writer_cost(plan, writers[0], marks),
            "memory": lambda: sections.idle_memory(plan, server),
            "delay": lambda: sections.commit_to_client(plan, server, writers, marks),
            "kill": lambda: outages.gateway_killed(plan, server, writers[0], marks),
            "stuck": lambda: beside_stuck_clients(plan, server, writers, marks),
            "churn": lambda: memory_over_churn(plan, plan.churn_s, server, writers[0], marks),
            "webhook": lambda: webhook_to_socket(plan),
            # The last: it kills the server, and only one writer gets over that.
            "postgres": lambda: outages.postgres_killed(plan, server, writers[0], marks),
        }
        for name, run in runs.items():
            if name in only:
                await run()


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Sonnette on this machine."
    )
    sizes = parser.add_mutually_exclusive_group()
    for words, plan, purpose in (
        ("--quick", QUICK, "about two minutes, smaller crowds"),
        ("--tiny", TINY, "only to see that it works; the figures mean nothing"),
    ):
        sizes.add_argument(words, dest="plan", action="store_const", const=plan, help=purpose)
    parser.add_argument(
        "--only", type=_sections, default=SECTIONS, metavar=",".join(SECTIONS),
        help="just these sections",
    )  # fmt: skip
    parser.add_argument("--sockets", type=int, help="how many in kill and postgres")
    parser.add_argument("--seconds", type=float, help="how long churn takes (60; 1800 for a proof)")
    return parser.parse_args()


def _sections(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - set(SECTIONS)
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no section {', '.join(sorted(unknown))}")
    return names


def _raise_file_limit() -> None:
    """Each socket is a file; the processes that we start inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
