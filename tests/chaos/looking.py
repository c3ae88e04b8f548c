"""What a fault test looks at while a world runs: who is served, and what a gateway says."""

import httpx

from tests.chaos import truth
from tests.chaos.client import Client
from tests.chaos.record import Changed
from tests.chaos.world import Gateway, World
from tests.facts import eventually

SERVED_LIMIT_S = 30


async def served(world: World, limit_s: float = SERVED_LIMIT_S) -> None:
    """Return once each client has all that is committed now."""
    records = [client.record for client in world.clients]
    async with await world.connected() as db:
        last = {user: (await truth.place(db, user))[1] for user in {one.user for one in records}}
    await eventually(lambda: all((one.since or 0) >= last[one.user] for one in records), limit_s)


def changes(client: Client) -> list[Changed]:
    """All that it was told, as it came."""
    return [event for event in client.record.events if isinstance(event, Changed)]


async def complains(gateway: Gateway, of_what: str) -> bool:
    """Whether its /readyz names that."""
    return of_what in " ".join(await gateway.process.problems())


async def is_well(gateway: Gateway) -> bool:
    """Whether it is ready."""
    return not await gateway.process.problems()


async def metric(gateway: Gateway, name: str) -> float:
    """One figure of its /metrics."""
    async with httpx.AsyncClient(trust_env=False) as web:
        text = (await web.get(f"{gateway.process.url}/metrics")).text
    return float(text.rpartition(f"\n{name} ")[2].split()[0])
