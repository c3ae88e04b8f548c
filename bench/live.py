"""`python -m bench.live [numbers]`: so many live numbers on one poller, and how late it sees codes.

Prints calls a second, processor and memory of the poller, and the delay from the provider's having
an SMS to the commit that has it (heard as the ring of that commit).
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter

import psycopg

from bench import machine, report
from bench.figures import percentile
from bench.provided import BUY, Market, cpu_s, market
from bench.stack import rss_kib

USERS = 100
WINDOW_S = 60.0
SMS = 300  # delivered one after the other within the window
BUY_TIMEOUT_S = 120  # for the last ones
LAST_S = 40.0  # for the SMS of the window's end
HEAD = ("live numbers", "bought/s", "lists/s", "other calls/s", "poller CPU", "poller MiB")
DELAYS = ("SMS", "mean s", "p50 s", "p99 s", "longest s", "not seen")


async def measure(numbers: int, window_s: float, messages: int) -> None:
    """Buy, watch for the length of the window, print."""
    async with market(USERS) as one:
        await one.script("/sim/script", never=True)
        bought_per_s = await _buy(one, numbers)
        await asyncio.sleep(5)
        before, cpu_before_s, began_s = Counter(await one.calls()), cpu_s(one.poller.pid), _now_s()
        delays_s, unseen = await _deliver(one, window_s, messages)
        seconds = _now_s() - began_s
        calls = Counter(await one.calls()) - before
        lists = calls.pop("getActiveActivations", 0)
        report.title("Live numbers on one poller")
        busy = (cpu_s(one.poller.pid) - cpu_before_s) / seconds
        memory_mib = rss_kib(one.poller.pid) / 1024
        report.table(
            HEAD,
            [
                [
                    f"{numbers:,}",
                    f"{bought_per_s:.0f}",
                    f"{lists / seconds:.2f}",
                    f"{calls.total() / seconds:.2f}",
                    f"{busy:.0%}",
                    f"{memory_mib:.0f}",
                ]
            ],
        )
        _print_delays(delays_s, unseen)


def _print_delays(delays_s: list[float], unseen: int) -> None:
    ordered = sorted(delays_s)
    mean_s = sum(ordered) / len(ordered) if ordered else float("nan")
    figures = [mean_s, percentile(ordered, 0.5), percentile(ordered, 0.99), percentile(ordered, 1)]
    report.table(DELAYS, [[str(len(ordered)), *(f"{s:.2f}" for s in figures), str(unseen)]])


async def _buy(one: Market, numbers: int) -> float:
    """Purchases a second, from the first order to the last number."""
    began_s = _now_s()
    async with await psycopg.AsyncConnection.connect(one.dsn, autocommit=True) as db:
        for number in range(numbers):
            if number % 100 == 0:
                await one.room()
            await db.execute(BUY, (one.users[number % len(one.users)],))
    async with asyncio.timeout(BUY_TIMEOUT_S):
        while await one.count(["pending"]) < numbers:
            await asyncio.sleep(0.5)
    return numbers / (_now_s() - began_s)


async def _deliver(one: Market, window_s: float, messages: int) -> tuple[list[float], int]:
    """An SMS now and then; how late each was committed, and how many never were."""
    sent_s: dict[str, float] = {}
    seen_s: dict[str, float] = {}
    async with await psycopg.AsyncConnection.connect(one.dsn, autocommit=True) as db:
        cursor = await db.execute("select id::text, order_id from activations")
        chosen = random.Random(1).sample(await cursor.fetchall(), messages)
        await db.execute("listen sonnette_work")
        hearing = asyncio.create_task(_hear(db, sent_s, seen_s))
        for id, order_id in chosen:
            url = f"{one.simulator.url()}/sim/numbers/{order_id}/sms"
            sent_s[id] = _now_s()
            answer = await one.web.post(url, json={"text": "Your code is 358042"})
            assert answer.status_code == 201, answer.text
            await asyncio.sleep(window_s / messages)
        deadline_s = _now_s() + LAST_S
        while len(seen_s) < len(sent_s) and _now_s() < deadline_s:
            await asyncio.sleep(0.1)
        hearing.cancel()
    delays_s = [max(0.0, at_s - sent_s[id]) for id, at_s in seen_s.items()]
    return delays_s, len(sent_s) - len(seen_s)


async def _hear(
    db: psycopg.AsyncConnection[tuple[str, str]], sent_s: dict[str, float], seen_s: dict[str, float]
) -> None:
    async for ring in db.notifies():
        for item in ring.payload.split(","):
            kind, _, id = item.partition(":")
            if kind == "a" and id in sent_s:
                seen_s.setdefault(id, _now_s())


def _now_s() -> float:
    return time.monotonic()


def main() -> int:
    """Parse the arguments, measure, clean up."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("numbers", type=int, nargs="?", default=10_000)
    parser.add_argument("--seconds", type=float, default=WINDOW_S)
    parser.add_argument("--sms", type=int, default=SMS)
    chosen = parser.parse_args()
    print(f"load average before the run: {machine.load_average():.2f}", flush=True)
    messages = min(chosen.sms, chosen.numbers)
    asyncio.run(measure(chosen.numbers, chosen.seconds, messages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
