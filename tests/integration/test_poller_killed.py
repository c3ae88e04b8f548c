"""kill -9 before and after each step of a purchase and of a delivery: faults 47 and 53.

A real poller process, and a simulator that holds the answer at the step in question. Whatever the
step, one number is sold, nobody pays twice, and the code arrives once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from poller.simulator import utc_now
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.poller_process import PollerProcess, served_by
from tests.polling import Polling

BUY, LIST = "getNumberV2", "getActiveActivations"
HELD_S = 20  # longer than a test holds a call before it kills who made it
WITH_ORDER_ID, WITHOUT = "sms-activate", "hero"


@dataclass(frozen=True)
class Victim:
    """The world, and the poller in it that is killed."""

    world: Polling
    poller: PollerProcess

    async def killed(self) -> None:
        """kill -9, the end of whatever was held, and a new process."""
        self.poller.kill()
        self.world.provider.forget_scripts()
        await self.world.script(never=True)
        await self.poller.start()

    async def called(self, action: str) -> None:
        """Once the provider has been asked that."""
        await eventually(lambda: self.world.provider.calls[action] >= 1)

    async def sold_once(self, user: UUID, id: UUID) -> None:
        """The purchase has its number, the only one that was sold, and the money is frozen."""
        row = await self.world.becomes(id, "pending")
        (number,) = self.world.provider.numbers(utc_now())
        assert row["order_id"] == number.id
        assert number.state == "active"
        assert await self.world.wallet(user) == ("10.00", "0.50")

    async def delivered_once(self, user: UUID, id: UUID) -> None:
        """The code is there once, and paid for once."""
        await self.world.becomes(id, "received")
        assert await self.world.messages(id) == [("358042", "Your code is 358042")]
        assert await self.world.wallet(user) == ("9.50", "0.00")


@asynccontextmanager
async def victim(
    database: Database, folder: Path, dialect: str = WITH_ORDER_ID
) -> AsyncIterator[Victim]:
    """A poller that is ready."""
    async with served_by(database, folder, dialect) as (world, poller):
        await poller.start()
        yield Victim(world, poller)


@pytest.mark.parametrize("dialect", [WITH_ORDER_ID, WITHOUT], ids=["order id", "no order id"])
@pytest.mark.parametrize("step", ["sold", "answered", "written"])
async def test_a_poller_killed_in_a_purchase_leaves_one_number(
    database: Database, tmp_path: Path, step: str, dialect: str
) -> None:
    """The provider has sold; or has also answered; or that is also written."""
    async with victim(database, tmp_path, dialect) as one:
        user = await one.world.user()
        if step == "sold":
            await one.world.script(timeout_s=HELD_S, times=1)
        id = await one.world.buy(user)
        if step == "answered":
            async with one.world.locked(id):
                await eventually(lambda: one.poller.metric("sonnette_poller_rows_held_total"))
                await one.killed()
        elif step == "sold":
            await one.called(BUY)
            await one.killed()
        else:
            await one.world.becomes(id, "pending")
            await one.killed()
        await one.sold_once(user, id)
        await one.world.sms(id)
        await one.delivered_once(user, id)


async def test_one_killed_before_the_intent_buys_once_when_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    async with victim(database, tmp_path) as one:
        one.poller.kill()
        user = await one.world.user()
        id = await one.world.buy(user)
        await one.poller.start()
        await one.sold_once(user, id)
        assert one.world.provider.calls[BUY] == 1


async def test_one_killed_before_the_provider_sold_tries_again_under_its_order_id(
    database: Database, tmp_path: Path
) -> None:
    async with victim(database, tmp_path) as one:
        user = await one.world.user()
        await one.world.script(timeout_s=HELD_S, html=True, times=1)
        id = await one.world.buy(user)
        await one.called(BUY)
        await one.killed()
        await one.sold_once(user, id)


async def test_without_an_order_id_it_stays_in_doubt_and_is_never_tried_again(
    database: Database, tmp_path: Path
) -> None:
    async with victim(database, tmp_path, WITHOUT) as one:
        user = await one.world.user()
        await one.world.script(timeout_s=HELD_S, html=True, times=1)
        id = await one.world.buy(user)
        await one.called(BUY)
        await one.killed()
        await eventually(lambda: listed_in_vain(one, id))
        assert one.world.provider.calls[BUY] == 1
        assert (await one.world.activation(id))["status"] == "requested"
        assert await one.poller.metric("sonnette_poller_purchases_in_doubt") == 1
        # An operator looks, finds nothing sold, and says so.
        await one.world.execute("update activations set status = 'failed' where id = %s", id)
        assert await one.world.wallet(user) == ("10.00", "0.00")


async def listed_in_vain(one: Victim, id: UUID) -> bool:
    cursor = await one.world.db.execute(
        "select last_error from sonnette.in_doubt where activation_id = %s", (id,)
    )
    row = await cursor.fetchone()
    return row is not None and "not_listed" in row["last_error"]


@pytest.mark.parametrize("step", ["asked", "answered", "written"])
async def test_a_poller_killed_in_a_delivery_delivers_once(
    database: Database, tmp_path: Path, step: str
) -> None:
    """The list is under way; or its answer is here; or the SMS is also written."""
    async with victim(database, tmp_path) as one:
        user = await one.world.user()
        id = await one.world.bought(user)
        if step == "asked":
            one.world.provider.calls[LIST] = 0
            await one.world.script(action=LIST, timeout_s=HELD_S)
            await one.called(LIST)
            await one.world.sms(id)
            await one.killed()
        elif step == "answered":
            async with one.world.locked(id):
                await one.world.sms(id)
                await eventually(lambda: one.poller.metric("sonnette_poller_rows_held_total"))
                await one.killed()
        else:
            await one.world.sms(id)
            await one.world.becomes(id, "received")
            await one.killed()
        await one.delivered_once(user, id)
