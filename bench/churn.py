"""Memory over churn: clients come, join, leave and vanish for a long time, and changes flow."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from bench import report
from bench.child import Child, child
from bench.figures import slope
from bench.messages import Churn, Churned, Committed, Write
from bench.phases import Marks
from bench.plan import Plan
from bench.stack import Database, free_address, gateway, metric, new_secret, rss_kib

WARM_SHARE = 0.5  # of the time: caches, pools, callers remembered, the allocator
SAMPLES = 120
SETTLE_S = 3
PER_S = 50
HEAD = ("seconds", "sockets", "not served", "RSS warm MiB", "RSS last MiB", "highest MiB",
        "slope KiB/min", "tasks before", "tasks after")  # fmt: skip


async def memory_over_churn(
    plan: Plan, seconds: float, server: Database, writer: Child, marks: Marks
) -> None:
    """RSS and tasks of a gateway while clients come and go; the slope is of the second half."""
    report.title("Memory of the gateway over churn")
    secret, address = new_secret(), free_address()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(gateway(server.gateway_dsn, address, secret))
        where = address.host, str(address.port), secret
        crowd = await stack.enter_async_context(child("bench.churners", *where))
        before = await metric(address, "tasks")
        command = Churn(plan.churn_users, plan.churn_at_once, seconds)
        churning = asyncio.ensure_future(crowd.ask(command, Churned, seconds + 120))
        writing = asyncio.ensure_future(_write(plan, seconds, writer, marks))
        samples = await _sampled(running.pid, seconds)
        churned = await churning
        await writing
        await asyncio.sleep(SETTLE_S)
        after = await metric(address, "tasks")
    warm = samples[int(len(samples) * WARM_SHARE) :]
    figures = [warm[0][1] / 1024, warm[-1][1] / 1024, max(kib for _, kib in samples) / 1024]
    row = [
        f"{seconds:,.0f}",
        f"{churned.sockets:,}",
        f"{churned.failed:,}",
        *(f"{mib:.1f}" for mib in figures),
        f"{slope(warm) * 60:.0f}",
        f"{before:.0f}",
        f"{after:.0f}",
    ]
    report.table(HEAD, [row])


async def _sampled(pid: int, seconds: float) -> Sequence[tuple[float, float]]:
    began, samples = time.monotonic(), []
    while (at_s := time.monotonic() - began) < seconds:
        samples.append((at_s, float(rss_kib(pid))))
        await asyncio.sleep(seconds / SAMPLES)
    return samples


async def _write(plan: Plan, seconds: float, writer: Child, marks: Marks) -> None:
    changes = max(1, round(PER_S * seconds))
    command = Write(
        statement="watched_one",
        first=marks.take(changes),
        changes=changes,
        batch=1,
        first_user=0,
        users=plan.churn_users,
        start_ns=0,
        per_s=PER_S,
    )
    await writer.ask(command, Committed, seconds * 2 + 60)
