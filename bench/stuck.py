"""What others notice of clients that never read: their delays beside those of an undisturbed phase.

Each stuck client asks for a backlog that fills every buffer on its way, and then reads nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import psycopg

from bench import report, speech
from bench.child import Child
from bench.client import Client, connect
from bench.figures import Delays, median_of
from bench.messages import queries, user_id
from bench.phases import Load, Marks, delay_round, open_sockets
from bench.plan import Plan
from bench.stack import Database, crowd, free_address, gateway, metric, new_secret
from process.settings import Address
from process.tokens import mint

ROW_BYTES = 10_000
GONE_LIMIT_S = 60
LOOK_EVERY_S = 0.5
CUT = 'sockets_cut_total{reason="not reading"}'
TOKEN_TTL_S = 86_400


class StuckClient(Client):
    """It joins, and from the first frame on reads nothing."""

    def heard(self, text: bytes, now_ns: int) -> None:
        if self.transport is not None:
            self.transport.pause_reading()


async def beside_stuck_clients(
    plan: Plan, server: Database, writers: Sequence[Child], marks: Marks
) -> None:
    """Rounds with stuck clients and without, in turns."""
    report.title(f"Beside {plan.stuck} clients that never read")
    _backlog(server.dsn, plan)
    secret, address = new_secret(), free_address()
    load = Load("watched_one", plan.stuck_per_s, plan.stuck_s, plan.stuck_crowd)
    quiet: list[Delays] = []
    beside: list[Delays] = []
    gone_s: list[float] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(gateway(server.gateway_dsn, address, secret))
        sockets = await stack.enter_async_context(crowd("gateway", address, secret))
        await open_sockets(sockets, 0, plan.stuck_crowd)
        for _ in range(plan.rounds):
            async with _watched(address):
                quiet.append((await delay_round(writers, sockets, marks, load))[0])
            async with _stuck(plan, address, secret, gone_s):
                beside.append((await delay_round(writers, sockets, marks, load))[0])
    rows = [
        report.delay_row(what, plan.stuck_per_s, plan.stuck_crowd, median_of(found))
        for what, found in (("undisturbed", quiet), ("beside them", beside))
    ]
    report.table(report.DELAY_HEAD, rows)
    ratio = median_of(beside).p95_ms / median_of(quiet).p95_ms
    print(f"p95 {ratio:.2f} times; the stuck ones were gone after {max(gone_s):.1f} s at most\n")


@asynccontextmanager
async def _stuck(
    plan: Plan, address: Address, secret: str, gone_s: list[float]
) -> AsyncIterator[None]:
    """Stuck clients that come when the block begins; at its end all of them have been cut."""
    began = time.monotonic()
    watching = asyncio.ensure_future(_all_cut(address, plan.stuck))
    clients = []
    for number in range(plan.stuck):
        user = user_id(plan.users - 1 - number)
        token = mint(secret, user, datetime.now(UTC), TOKEN_TTL_S)
        asked = speech.join(token, event="*", table="bench_backlog", since=0)
        clients.append(StuckClient(str(user), asked))
        await connect(clients[-1], address.host, address.port, number, GONE_LIMIT_S)
    yield
    gone_s.append(await watching - began)
    for one in clients:
        one.drop()


@asynccontextmanager
async def _watched(address: Address) -> AsyncIterator[None]:
    """The gateway is asked for its metrics as often as beside the stuck ones: that costs, too."""
    watching = asyncio.ensure_future(_all_cut(address, 1))
    yield
    watching.cancel()
    await asyncio.wait([watching])


async def _all_cut(address: Address, more: int) -> float:
    """When so many more sockets than now have been cut for not reading; as of time.monotonic."""
    count = more + await metric(address, CUT)
    async with asyncio.timeout(GONE_LIMIT_S):
        while await metric(address, CUT) < count:
            await asyncio.sleep(LOOK_EVERY_S)
    return time.monotonic()


def _backlog(dsn: str, plan: Plan) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(queries["backlog_table"])
        for number in range(plan.stuck):
            owner = user_id(plan.users - 1 - number)
            values = {"owner": owner, "size": ROW_BYTES, "rows": plan.stuck_rows}
            connection.execute(queries["backlog"], values)
