"""Numbers at the provider that no activation has: adopted, given back, or only shown."""

from decimal import Decimal
from uuid import UUID

from poller.simulated import Number
from poller.simulator import utc_now
from tests.db_helpers import Connection, make_activation, make_user, rows, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, running, simulated

PLENTY = Decimal(10)
SOON_S = 0.5


async def ended_in_doubt(world: Polling, user: UUID) -> UUID:
    """A purchase that an operator has ended while nobody knew whether it was made."""
    id = await world.buy(user)
    await world.execute("select sonnette.purchase_begins(%s)", id)
    await world.execute("update public.activations set status = 'failed' where id = %s", id)
    return id


async def orphan(world: Polling, number: Number) -> dict[str, object]:
    """What is written of it, once it is."""

    async def found() -> dict[str, object]:
        cursor = await world.db.execute(
            "select * from sonnette.orphans where account = 'simulator' and order_id = %s",
            (number.id,),
        )
        return await cursor.fetchone() or {}

    return await eventually(found)


async def test_one_whose_purchase_was_ended_is_given_back_and_stays_to_be_seen(
    database: Database,
) -> None:
    async with simulated(database) as (world, settings):
        await world.script(never=True)
        async with running(settings, strange_for_s=SOON_S):
            user = await world.user()
            await world.bought(user)  # so that there is a reason to fetch lists
        id = await ended_in_doubt(world, user)
        number = world.provider.buy("wa", "6", str(id), PLENTY, utc_now())
        async with running(settings, strange_for_s=SOON_S):
            await eventually(lambda: number.state == "cancelled")
            await eventually(lambda: released(world, number))
        row = await orphan(world, number)
        assert row["activation_id"] == id
        assert row["outcome"] == "Cancelled"
        assert await world.wallet(user) == ("10.00", "0.50")


async def released(world: Polling, number: Number) -> bool:
    return (await orphan(world, number))["done_at"] is not None


async def test_one_whose_purchase_turns_up_after_all_is_adopted(db: Connection) -> None:
    """It was strange for longer than an answer takes, and then the answer was found."""
    id = await make_activation(db, await make_user(db), status="requested")
    seen = "select sonnette.orphans_seen('simulator', '{9}', '{6281}', '{wa}', '{6}')"
    assert await value(db, seen) is None
    await value(db, "select sonnette.number_bought(%s, '9', '6281', null, null, null)", id)
    settled = "select outcome, activation_id, done_at is not null as done from sonnette.orphans"
    assert await rows(db, settled) == [{"outcome": "adopted", "activation_id": id, "done": True}]
    assert await rows(db, "select * from ops.orphans") == []


async def test_one_that_fits_no_purchase_is_shown_and_left_alone(database: Database) -> None:
    async with simulated(database) as (world, settings):
        await world.script(never=True)
        theirs = world.provider.buy("tg", "0", None, PLENTY, utc_now())
        async with running(settings, strange_for_s=SOON_S):
            mine = await world.bought(await world.user())
            row = await orphan(world, theirs)
            assert (row["service_code"], row["phone"]) == ("tg", theirs.phone)
            # A fence: whatever lists came since have brought the next code.
            world.provider.deliver(await world.number(mine), "Your code is 1", "1", utc_now())
            await world.becomes(mine, "received")
        assert theirs.state == "active"
        assert (await orphan(world, theirs))["done_at"] is None
