"""A webhook's way: the provider has an SMS and posts it, the socket shows its code.

All that is between them is real: the provider's POST, the service that stores it, the poller that
asks the provider whether it is true, the commit, the gateway. Lists go on meanwhile; an SMS that
one of them brought before its webhook did is counted and not measured.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

import psycopg

from bench import report
from bench.child import child
from bench.figures import percentile
from bench.plan import Plan
from bench.provided import BUY, Market, answers, market
from bench.screen import Screen, screens
from bench.stack import free_address, new_secret

USERS = 50
BUY_TIMEOUT_S = 120
LAST_S = 10.0
HEAD = ("SMS", "a second", "p50 ms", "p95 ms", "p99 ms", "longest ms", "by a list", "not shown")


async def webhook_to_socket(plan: Plan) -> None:
    """Numbers that wait, and an SMS on one after the other."""
    report.title("Webhook to socket (the clock starts when the provider has the SMS)")
    secret = secrets.token_hex(32)
    account = f'webhook_secret = "{secret}"\n'
    async with market(USERS, account) as one, _service(one) as url, screens(one) as screen:
        await one.script("/sim/script", never=True)
        await one.script("/sim/webhook", url=f"{url}/webhooks/simulator/{secret}")
        orders = await _bought(one, plan.webhooks)
        had_s = await _delivered(one, orders, plan.webhooks_per_s)
        await _shown(screen, len(orders))
        by_webhook = await _by_webhook(one)
    delays_ms = sorted(
        (screen.shown[id] - had_s[id]) * 1000 for id in by_webhook if id in screen.shown
    )
    figures = [percentile(delays_ms, share) for share in (0.5, 0.95, 0.99, 1)]
    counts = [str(len(screen.shown) - len(delays_ms)), str(len(orders) - len(screen.shown))]
    row = [str(len(orders)), f"{plan.webhooks_per_s:g}", *(f"{ms:.1f}" for ms in figures), *counts]
    report.table(HEAD, [row])


@contextlib.asynccontextmanager
async def _service(one: Market) -> AsyncIterator[str]:
    address = free_address()
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "DATABASE_URL": one.service_dsn,
        "SONNETTE_SERVICE_LISTEN": str(address),
        "SONNETTE_JWT_SECRET": new_secret(),
        "SONNETTE_LOG_LEVEL": "WARNING",
    }
    async with child("service", environ=environ):
        await answers(one.web, f"{address.url()}/readyz")
        yield address.url()


async def _bought(one: Market, numbers: int) -> Mapping[str, str]:
    """The order of each activation, once all have their numbers."""
    async with await psycopg.AsyncConnection.connect(one.dsn, autocommit=True) as db:
        for number in range(numbers):
            if number % 50 == 0:
                await one.room()
            await db.execute(BUY, (one.users[number % len(one.users)],))
        async with asyncio.timeout(BUY_TIMEOUT_S):
            while await one.count(["pending"]) < numbers:
                await asyncio.sleep(0.2)
        found = await (await db.execute("select id::text, order_id from activations")).fetchall()
    return dict(found)


async def _delivered(one: Market, orders: Mapping[str, str], per_s: float) -> Mapping[str, float]:
    """An SMS for each; when the provider had it, by its own record."""
    had_s: dict[str, float] = {}
    began_s = time.monotonic()
    for place, (id, order) in enumerate(orders.items()):
        await asyncio.sleep(max(0.0, began_s + place / per_s - time.monotonic()))
        url = f"{one.simulator.url()}/sim/numbers/{order}/sms"
        answer = await one.web.post(url, json={"text": f"Your code is {100_000 + place}"})
        assert answer.status_code == 201, answer.text
        had_s[id] = datetime.fromisoformat(answer.json()["at"]).timestamp()
    return had_s


async def _shown(screen: Screen, codes: int) -> None:
    deadline_s = time.monotonic() + LAST_S
    while len(screen.shown) < codes and time.monotonic() < deadline_s:
        await asyncio.sleep(0.1)


async def _by_webhook(one: Market) -> Sequence[str]:
    """The activations whose SMS came by a webhook."""
    async with await psycopg.AsyncConnection.connect(one.dsn) as db:
        cursor = await db.execute(
            "select activation_id::text from messages where source = 'webhook'"
        )
        return [id for (id,) in await cursor.fetchall()]
