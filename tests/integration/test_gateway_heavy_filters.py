"""Filters as heavy as a client can make them: all others are served as if there were none."""

import asyncio
import random
from time import monotonic

from tests.db_helpers import ALICE, BOB, Connection
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import Frame, Wire, cargo, wire

HARD = 'note=match."(a|b)*a(a|b){%d}c",note=not.match."(a|b)*b(a|b){%d}c"'
CHANNELS = 20
BINDINGS = 25  # each with two patterns, of which a join has at most 50
LIMIT_S = 2  # for everybody else, on a busy machine; of heavy work there would be minutes


def heavy() -> list[Frame]:
    """Expressions on which an engine that backtracks never ends, all different."""
    return [cargo(filter=HARD % (50 + number, 50 + number)) for number in range(BINDINGS)]


async def test_heavy_filters_of_one_user_delay_nobody_else(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    chosen = random.Random(1)
    async with wire(gateway) as alice, wire(gateway) as bob:
        await bob.subscribe(token(BOB), cargo(since=0))
        for number in range(CHANNELS):
            began = monotonic()
            await alice.join(token(ALICE), *heavy(), topic=f"realtime:{number}")
            await bob.alive()
            assert monotonic() - began < LIMIT_S
            assert (await alice.frame())["payload"]["status"] == "ok"
            await alice.frame()

        for number in range(5):
            began = monotonic()
            note = "".join(chosen.choices("ab", k=5000))
            await cargo_db.execute("insert into cargo values (%s, %s, %s)", (number, ALICE, note))
            await cargo_db.execute("insert into cargo values (%s, %s)", (100 + number, BOB))
            assert (await bob.change()).row["id"] == 100 + number
            assert monotonic() - began < LIMIT_S
        await served(alice, 5)


async def served(alice: Wire, changes: int) -> None:
    """Every heavy channel has got every change: what is too costly to look at is let through."""
    seen: dict[str, int] = {}
    async with asyncio.timeout(30):
        while sum(seen.values()) < changes * CHANNELS:
            frame = await alice.frame()
            assert frame["event"] == "postgres_changes", frame
            seen[frame["topic"]] = seen.get(frame["topic"], 0) + 1
