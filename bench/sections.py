"""The sections of the report: each measures, and prints its table as soon as it has it."""

import asyncio
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from bench import report
from bench.child import Child
from bench.figures import Delays, median_of, spread
from bench.phases import Load, Marks, cost, delay_round, open_sockets, sustained
from bench.plan import BATCH, Plan
from bench.stack import Database, bare_crowd, crowd, free_address, gateway, new_secret, rss_kib

SETTLE_S = 3  # after thousands of joins, before memory is read
STATEMENTS = {"gateway": "watched_one", "bare relay": "bare_one"}


async def writer_cost(plan: Plan, writer: Child, marks: Marks) -> None:
    """One row and 200 rows a transaction, with our triggers and without, alternating."""
    report.title("Cost to the writer (one writer, nobody listens)")
    rows = [
        await _cost_row(plan.rounds, writer, marks, "one", plan.cost_changes, 1),
        await _cost_row(plan.rounds, writer, marks, "many", plan.cost_batches, BATCH),
    ]
    head = ("rows a transaction", "plain us", "watched us", "ratio (lowest to highest)", "rows/s")
    report.table(head, rows)


async def _cost_row(
    rounds: int, writer: Child, marks: Marks, what: str, changes: int, batch: int
) -> list[str]:
    pairs = []
    for _ in range(rounds + 1):
        plain = await cost(writer, marks, f"plain_{what}", changes, batch)
        pairs.append((plain, await cost(writer, marks, f"watched_{what}", changes, batch)))
    pairs = pairs[1:]  # the first round warms caches and plans
    plain, watched = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = [with_trigger / without for without, with_trigger in pairs]
    return [
        str(batch),
        f"{plain * 1e6:,.0f}",
        f"{watched * 1e6:,.0f}",
        f"{statistics.median(ratios):.2f} ({spread(ratios)})",
        f"{batch / watched:,.0f}",
    ]


async def idle_memory(plan: Plan, server: Database) -> None:
    """Resident memory that each joined, idle socket adds to a fresh gateway."""
    report.title("Memory of idle sockets")
    secret, address = new_secret(), free_address()
    async with gateway(server.gateway_dsn, address, secret) as running:
        before_kib = rss_kib(running.pid)
        async with crowd("gateway", address, secret) as sockets:
            seconds = await open_sockets(sockets, 0, plan.idle_crowd)
            await asyncio.sleep(SETTLE_S)
            after_kib = rss_kib(running.pid)
    each_kib = (after_kib - before_kib) / plan.idle_crowd
    head = ("sockets", "gateway alone MiB", "with them MiB", "KiB a socket", "all joined in s")
    figures = [f"{before_kib / 1024:.1f}", f"{after_kib / 1024:.1f}", f"{each_kib:.1f}"]
    report.table(head, [[f"{plan.idle_crowd:,}", *figures, f"{seconds:.1f}"]])


async def commit_to_client(
    plan: Plan, server: Database, writers: Sequence[Child], marks: Marks
) -> None:
    """Delay with few and with many sockets beside the bare relay, then throughput of batches."""
    secret, address = new_secret(), free_address()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gateway(server.gateway_dsn, address, secret))
        sockets = await stack.enter_async_context(crowd("gateway", address, secret))
        report.title("Commit to client (the clock starts when COMMIT returns)")
        await open_sockets(sockets, 0, plan.small_crowd)
        rows = await _delays(plan, plan.small_crowd, writers, {"gateway": sockets}, marks)
        await open_sockets(sockets, plan.small_crowd, plan.large_crowd - plan.small_crowd)
        bare = await stack.enter_async_context(bare_crowd(server.dsn, plan.large_crowd))
        both = {"gateway": sockets, "bare relay": bare}
        rows += await _delays(plan, plan.large_crowd, writers, both, marks)
        report.table(report.DELAY_HEAD, rows)

        report.title(f"Sustained: {len(writers)} writers, {BATCH} rows a transaction")
        users = plan.large_crowd
        steps = await sustained(writers, sockets, marks, users, plan.batch_rates, plan.batch_s)
        report.table(report.BATCH_HEAD, [report.batch_row(step) for step in steps])


async def _delays(
    plan: Plan, users: int, writers: Sequence[Child], crowds: Mapping[str, Child], marks: Marks
) -> list[list[str]]:
    """Rows of the report: each rate, each crowd in turn, medians over the rounds."""
    rows = []
    for per_s in plan.rates:
        found: dict[str, list[Delays]] = {name: [] for name in crowds}
        for _ in range(plan.rounds):
            for name, sockets in crowds.items():
                load = Load(STATEMENTS[name], per_s, plan.round_s, users)
                found[name].append((await delay_round(writers, sockets, marks, load))[0])
        rows += [report.delay_row(n, per_s, users, median_of(f)) for n, f in found.items()]
    return rows
