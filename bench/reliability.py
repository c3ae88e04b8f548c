"""`python -m bench.reliability [activations]`: purchases under seeded chaos, seen at the socket.

Every user has a WebSocket at a real gateway. The clock of a code starts when the provider has it,
by the simulator's own record, and stops when the socket shows it. At the end every code that the
provider has must have been shown, no number sold twice, and the money must agree.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from bench import machine, report
from bench.figures import percentile
from bench.provided import BUY, Market, market
from bench.screen import Screen, screens

USERS = 50
PER_S = 30.0
TAIL_S = 240.0  # after the last purchase; one in doubt or given up takes two minutes
IN_TIME_S = 10.0
CHAOS = {
    "seed": 1,
    "error": 0.02,
    "down": 0.01,
    "limit": 0.002,
    "html": 0.01,
    "lost": 0.01,
    "truncate": 0.01,
    "slow": 0.05,
    "slow_s": 1.0,
    "forget": 0.02,
    "double": 0.05,
    "shuffle": 0.1,
}
HEAD = (
    "activations",
    "codes",
    f"in {IN_TIME_S:.0f} s",
    "in the end",
    "mean s",
    "p99 s",
    "longest s",
)


@dataclass(frozen=True)
class Outcome:
    """How it went; `wrong`: what must be empty, a sentence each."""

    activations: int
    delays_s: Sequence[float]
    codes: int
    statuses: Mapping[str, int]
    wrong: Sequence[str]


async def measure(count: int, per_s: float, tail_s: float) -> Outcome:
    """Buy under chaos, wait until nothing is left to come, and compare both ends."""
    async with market(USERS) as one, screens(one) as screen:
        await one.script("/sim/chaos", **CHAOS)
        await _buy(one, count, per_s)
        await _until_over(one, tail_s)
        return await _compared(one, screen, count)


async def _buy(one: Market, count: int, per_s: float) -> None:
    """One purchase after the other, at that rate; SMS come after 1 to 30 s."""
    chance, began_s = random.Random(1), time.monotonic()
    async with await psycopg.AsyncConnection.connect(one.dsn, autocommit=True) as db:
        for number in range(count):
            if number % 50 == 0:
                await one.room()
                await one.script("/sim/script", delay_s=chance.uniform(1, 30))
            await db.execute(BUY, (one.users[number % len(one.users)],))
            await asyncio.sleep(max(0.0, began_s + number / per_s - time.monotonic()))


async def _until_over(one: Market, tail_s: float) -> None:
    deadline_s = time.monotonic() + tail_s
    while time.monotonic() < deadline_s:
        if await one.count(["requested", "pending", "cancelling"]) == 0:
            break
        await asyncio.sleep(1)
    await asyncio.sleep(2)  # what is committed has then been shown


async def _compared(one: Market, screen: Screen, count: int) -> Outcome:
    numbers = (await one.web.get(f"{one.simulator.url()}/sim/numbers")).json()["items"]
    had_s = {
        number["id"]: datetime.fromisoformat(number["sms"][0]["at"]).timestamp()
        for number in numbers
        if number["sms"]
    }
    async with await psycopg.AsyncConnection.connect(one.dsn, autocommit=True) as db:
        rows = await (await db.execute("select id, order_id, status from activations")).fetchall()
        differences = await (
            await db.execute("select difference from sonnette.money_differences")
        ).fetchall()
        doubt = await (await db.execute("select last_error from sonnette.in_doubt")).fetchall()
    orders: dict[str, UUID] = {order: id for id, order, _status in rows if order}
    delays_s = [
        max(0.0, screen.shown[str(orders[order])] - at_s)
        for order, at_s in had_s.items()
        if order in orders and str(orders[order]) in screen.shown
    ]
    wrong = [f"money: {row[0]}" for row in differences]
    wrong += [f"in doubt: {row[0]}" for row in doubt]
    wrong += [f"sold and nobody's: {n['id']}" for n in numbers if n["id"] not in orders]
    wrong += [f"references sold twice: {n}" for n in [_doubled(numbers)] if n]
    statuses = Counter(status for _id, _order, status in rows)
    return Outcome(count, sorted(delays_s), len(had_s), statuses, wrong)


def _doubled(numbers: Sequence[Mapping[str, object]]) -> int:
    references = Counter(number["order_id"] for number in numbers if number["order_id"])
    return sum(times > 1 for times in references.values())


def show(found: Outcome) -> None:
    """The table, and what is wrong."""
    report.title("Reliability under seeded chaos, from the provider to the socket")
    in_time = sum(delay_s <= IN_TIME_S for delay_s in found.delays_s)
    mean_s = sum(found.delays_s) / len(found.delays_s) if found.delays_s else float("nan")
    figures = [mean_s, percentile(found.delays_s, 0.99), percentile(found.delays_s, 1)]
    shares = [in_time / found.codes, len(found.delays_s) / found.codes]
    row = [f"{found.activations:,}", f"{found.codes:,}", *(f"{share:.3%}" for share in shares)]
    report.table(HEAD, [row + [f"{s:.2f}" for s in figures]])
    print("chaos:", ", ".join(f"{name} {rate}" for name, rate in CHAOS.items()))
    print("in the end:", ", ".join(f"{n:,} {status}" for status, n in found.statuses.items()))
    for sentence in list(found.wrong)[:20] or ["nothing is wrong: money, orders, doubts"]:
        print(sentence)


def main() -> int:
    """Parse the arguments, measure, clean up; 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__)
    parser.add_argument("activations", type=int, nargs="?", default=10_000)
    parser.add_argument("--per-s", type=float, default=PER_S)
    parser.add_argument("--tail-s", type=float, default=TAIL_S)
    chosen = parser.parse_args()
    print(f"load average before the run: {machine.load_average():.2f}", flush=True)
    found = asyncio.run(measure(chosen.activations, chosen.per_s, chosen.tail_s))
    show(found)
    return 1 if found.wrong or len(found.delays_s) < found.codes else 0


if __name__ == "__main__":
    sys.exit(main())
