"""Faults 54 and 55: what people in psql may do to everybody else."""

from typing import get_args
from uuid import UUID

import psycopg
import pytest

from db.activation import Status
from tests.chaos.record import Changed
from tests.chaos.trade import trade
from tests.chaos.world import World
from tests.db_helpers import Connection, value

OPERATOR = "sonnette_operator"
LUNCH_S = 3  # 60 in the role as it is made
BECOME = "update activations set status = %s where id = %s"
INSERT = """
    insert into activations (user_id, provider, service_code, country_code, status, price)
    values (%s, 'by hand', 'wa', '6', 'requested', 0.5) returning id
"""


async def test_fault_54_begin_update_and_off_to_lunch(world: World) -> None:
    """All others go on, and so does what else that user has; the row itself within the timeout."""
    async with trade(world) as one, await world.connected() as db:
        market = one.market
        held, other = await one.followed(), await one.followed()
        world.writer(held, other, money=False)
        row, free = await market.bought(held), await market.bought(other)
        configured = "select 'idle_in_transaction_session_timeout=60s' = any (rolconfig)"
        cursor = await db.execute(
            f"{configured} from pg_roles where rolname = '{OPERATOR}'".encode()
        )
        assert await cursor.fetchone() == (True,)
        await db.execute(
            f"alter role {OPERATOR} set idle_in_transaction_session_timeout = '{LUNCH_S}s'".encode()
        )
        async with await world.connected(OPERATOR) as operator:
            world.timeline.say("operator", "begin; update; and off to lunch")
            await operator.execute("begin")
            await operator.execute("update activations set operator = 'x' where id = %s", (row,))
            for id in (row, free):
                await market.sms(id)
            await market.becomes(free, "received")
            assert (await market.activation(row))["status"] == "pending"
            await world.more(50)
            await market.becomes(row, "received", 60)
            with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
                await operator.execute("commit")
        assert (await market.activation(row))["operator"] != "x"
        await one.holds(held, other, bought=1, received=1)


async def test_fault_55_a_status_that_the_rules_forbid(world: World) -> None:
    """Refused with a sentence, for each pair of statuses, and nobody sees a thing of it."""
    user = await world.user()
    client = await world.client(user)
    world.writer(user)
    async with await world.connected() as db, await world.connected(OPERATOR) as operator:
        ids = {status: await brought_to(db, user, status) for status in get_args(Status)}
        for status, id in ids.items():
            follows = await value(db, "select sonnette.status_leads_to(%s)", status)
            for wanted in {*get_args(Status)} - {*follows, status}:
                words = f"activation {id} is {status} and cannot become {wanted}"
                with pytest.raises(psycopg.Error, match=words):
                    await operator.execute(BECOME, (wanted, id))
            assert await value(db, "select status from activations where id = %s", id) == status
        for wanted in ("received", "completed"):  # as the rules have it, money and all
            await operator.execute(BECOME, (wanted, ids["pending"]))
    await world.holds()
    changes = [event for event in client.record.events if isinstance(event, Changed)]
    shown = [one.row["status"] for one in changes if one.row.get("id") == str(ids["pending"])]
    assert shown == ["requested", "pending", "received", "completed"]


async def brought_to(db: Connection, user: UUID, status: str) -> UUID:
    """An activation of the user's, by the shortest way that the rules know."""
    id = await value(db, INSERT, user)
    for step in ways(status):
        await db.execute(BECOME, (step, id))
    assert isinstance(id, UUID)
    return id


def ways(status: str) -> tuple[str, ...]:
    """The statuses from `requested`, where all begin, to that one."""
    if status == "requested":
        return ()
    if status in ("pending", "failed"):
        return (status,)
    return ("pending", "received", status) if status == "completed" else ("pending", status)
