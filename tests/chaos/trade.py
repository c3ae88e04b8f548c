"""A provider and its poller in a world, and users who buy there, each with a client that follows.

The provider is the simulator over real HTTP, the poller a process of its own; what is done to
either is said to the world's timeline, and excuses no socket: they have none to the clients.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from tests.chaos.world import World
from tests.facts import eventually
from tests.poller_process import PollerProcess, served_by
from tests.polling import Polling


@dataclass(frozen=True)
class Trade:
    """`market`: what users, operators and the provider do; `poller`: between them."""

    world: World
    market: Polling
    poller: PollerProcess

    async def followed(self, money: str = "10.00") -> UUID:
        """A user with money whose feed somebody follows."""
        user = await self.world.user(money)
        await self.world.client(user)
        return user

    async def killed(self) -> None:
        """kill -9, the end of whatever the provider held back, and a new process."""
        self.world.timeline.say("poller", "kill -9")
        self.poller.kill()
        self.market.provider.forget_scripts()
        await self.market.script(never=True)
        await self.poller.start()

    async def held_back(self) -> None:
        """Return once the poller has an answer that it cannot write."""
        await eventually(lambda: self.poller.metric("sonnette_poller_rows_held_total"), 30)

    async def holds(self, *users: UUID, bought: int, received: int) -> None:
        """Nothing is wrong with what anybody saw, and each of these paid for what came."""
        await self.world.holds()
        for user in users:
            row = await self.market.one(
                """select count(order_id) as bought, count(*) filter (where charged) as received,
                          count(distinct order_id) as orders
                   from public.activations where user_id = %s""",
                user,
            )
            assert row == {"bought": bought, "received": received, "orders": bought}


@asynccontextmanager
async def trade(world: World, dialect: str = "sms-activate") -> AsyncIterator[Trade]:
    """A ready poller on the world's Postgres, at a provider whose numbers stay silent."""
    async with served_by(world.postgres, world.folder, dialect) as (market, poller):
        await poller.start()
        yield Trade(world, market, poller)
