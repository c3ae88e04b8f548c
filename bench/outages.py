"""What a crash costs: the gateway, or Postgres, killed with -9 under its sockets and writers.

Every client is a follower: it comes back, resumes from its cursor, and what it was told is compared
with the log.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from bench import report
from bench.child import Child, child
from bench.figures import percentile
from bench.messages import Check, Committed, Follow, Followed, Opened, Write
from bench.phases import LEAD_NS, OPEN_TIMEOUT_S, Marks
from bench.plan import Plan
from bench.stack import Database, free_address, gateway, last_numbers, metric, new_secret
from db.embedded import EmbeddedFailed
from process.settings import Address

BEFORE_SHARE = 6  # of the writing is done before it is killed
CATCH_UP_LIMIT_S = 60
RELAUNCH_LIMIT_S = 30
HEAD = (
    *("sockets", "changes/s", "changes", "away s", "first change after s"),
    *("resumed p50 s", "p95 s", "max s", "all back after s", "reads"),
    *("lost", "doubled", "out of order", "resyncs"),
)

Kill = Callable[[AsyncExitStack, Child], Awaitable[None]]


async def gateway_killed(plan: Plan, server: Database, writer: Child, marks: Marks) -> None:
    """kill -9 of the gateway, and another one on the same port at once."""
    report.title("Kill -9 of the gateway, and a new one at once")
    secret, address = new_secret(), free_address()

    async def kill(stack: AsyncExitStack, running: Child) -> None:
        os.kill(running.pid, signal.SIGKILL)
        await stack.enter_async_context(gateway(server.gateway_dsn, address, secret))

    crash = _Crash(plan.killed_crowd, plan.outage_per_s, plan.outage_s, address, secret, kill)
    report.table(HEAD, [await crash.run(server, writer, marks)])


async def postgres_killed(plan: Plan, server: Database, writer: Child, marks: Marks) -> None:
    """kill -9 of the postmaster in mid-stream; the sockets stay, and the writer insists."""
    report.title("Kill -9 of Postgres, and its restart at once")
    secret, address = new_secret(), free_address()

    async def kill(_stack: AsyncExitStack, _running: Child) -> None:
        os.kill(server.server.pid, signal.SIGKILL)
        await _relaunch(server)

    crash = _Crash(plan.postgres_crowd, plan.outage_per_s, plan.outage_s, address, secret, kill)
    report.table(HEAD, [await crash.run(server, writer, marks)])


class _Crash:
    """`sockets` followers, `per_s` changes a second for `seconds`, and `kill` among them."""

    def __init__(
        self, sockets: int, per_s: float, seconds: float, address: Address, secret: str, kill: Kill
    ) -> None:
        self._sockets = sockets
        self._per_s = per_s
        self._seconds = seconds
        self._address = address
        self._secret = secret
        self._kill = kill

    async def run(self, server: Database, writer: Child, marks: Marks) -> list[str]:
        """The row of the report."""
        async with AsyncExitStack() as stack:
            running = await stack.enter_async_context(
                gateway(server.gateway_dsn, self._address, self._secret)
            )
            where = self._address.host, str(self._address.port), self._secret
            crowd = await stack.enter_async_context(child("bench.followers", *where))
            await crowd.ask(Follow(self._sockets), Opened, OPEN_TIMEOUT_S)
            writing = asyncio.ensure_future(self._write(writer, marks))
            await asyncio.sleep(self._seconds / BEFORE_SHARE)
            reads = await metric(self._address, "read_seconds_count")
            killed_ns = time.monotonic_ns()
            await self._kill(stack, running)
            back_ns = time.monotonic_ns()
            made = await writing
            check = Check(last_numbers(server.dsn, self._sockets), CATCH_UP_LIMIT_S)
            found = await crowd.ask(check, Followed, CATCH_UP_LIMIT_S + 60)
            total = await metric(self._address, "read_seconds_count")
            since = total - reads if total > reads else total
            return self._row(len(made.times_ns), (back_ns - killed_ns) / 1e9, back_ns, since, found)

    async def _write(self, writer: Child, marks: Marks) -> Committed:
        changes = round(self._per_s * self._seconds)
        command = Write(
            statement="watched_one",
            first=marks.take(changes),
            changes=changes,
            batch=1,
            first_user=0,
            users=self._sockets,
            start_ns=time.monotonic_ns() + LEAD_NS,
            per_s=self._per_s,
            insist=True,
        )
        return await writer.ask(command, Committed, self._seconds * 5 + 120)

    def _row(
        self, changes: int, away_s: float, back_ns: int, reads: float, found: Followed
    ) -> list[str]:
        resumed = sorted(found.resumed_s)
        flowing = [at_ns for at_ns in found.heard_ns if at_ns > back_ns]
        latest_s = (max(found.back_ns) - back_ns) / 1e9 if found.back_ns else None
        return [
            f"{self._sockets:,}",
            f"{self._per_s:,.0f}",
            f"{changes:,}",
            f"{away_s:.1f}",
            f"{(min(flowing, default=back_ns) - back_ns) / 1e9:.1f}",
            *(f"{percentile(resumed, share):.1f}" if resumed else "-" for share in (0.5, 0.95, 1)),
            "they stayed" if latest_s is None else f"{latest_s:.1f} ({len(resumed):,} sockets)",
            f"{reads:,.0f}",
            str(found.lost),
            str(found.doubled),
            str(found.disordered),
            str(found.resyncs),
        ]


async def _relaunch(server: Database) -> None:
    """Start Postgres again; its last processes may still be ending."""
    deadline = time.monotonic() + RELAUNCH_LIMIT_S
    while True:
        try:
            return server.server.launch()
        except EmbeddedFailed:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
