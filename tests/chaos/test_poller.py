"""Faults 47 to 53: what may happen to the poller, to its provider, and between them.

Each is done under the eyes of clients: what they saw is held against the log, the log against the
wallets. tests/integration/test_poller_*.py have the same faults step by step.
"""

from collections.abc import AsyncIterator

import pytest_asyncio

from poller.simulator import utc_now
from tests.chaos.trade import Trade, trade
from tests.chaos.world import World
from tests.facts import eventually
from tests.poller_process import poller_process

OUT_OF_ORDER = ("getActiveActivations", "getStatus", "getBalance", "getPrices", "getNumberV2")
PATIENCE_S = 60  # breaker and back-off may each pause for 30 s
NO_RING = """
    create or replace function sonnette.ring(channel text, items text[], most integer) returns void
        language plpgsql security definer set search_path = pg_catalog, sonnette, pg_temp
    as $$ begin perform nextval('sonnette.rings_skipped'); end $$
"""


@pytest_asyncio.fixture(name="trade")
async def usual_trade(world: World) -> AsyncIterator[Trade]:
    """One gateway, one poller, a provider that speaks as SMS-Activate did."""
    async with trade(world) as one:
        yield one


async def test_fault_47_killed_after_the_answer_and_before_and_after_its_commit(
    trade: Trade,
) -> None:
    """kill -9: the number is sold, the SMS told, and neither written; then both are."""
    user, market = await trade.followed(), trade.market
    id = await market.buy(user)
    async with market.locked(id):
        await trade.held_back()
        await trade.killed()
    await market.becomes(id, "pending", PATIENCE_S)
    async with market.locked(id):
        await market.sms(id)
        await trade.held_back()
        await trade.killed()
    await market.becomes(id, "received", PATIENCE_S)
    await trade.killed()
    await market.sms(id, "222222")
    await eventually(lambda: market.has_messages(id, 2), PATIENCE_S)
    assert len(market.provider.numbers(utc_now())) == 1
    assert await market.wallet(user) == ("9.50", "0.00")
    await trade.holds(user, bought=1, received=1)


async def test_fault_48_two_at_once_the_leader_frozen_and_thawed(trade: Trade) -> None:
    """SIGSTOP until a standby has the account, then SIGCONT: it does not write as leader again."""
    user, market, world = await trade.followed(), trade.market, trade.world
    waiting = await market.bought(user)
    dsn, log = world.postgres.dsn("sonnette_poller"), world.folder / "standby.log"
    accounts = str(world.folder / "accounts.toml")
    async with poller_process(dsn, market.simulator, log, SONNETTE_PROVIDERS=accounts) as standby:
        standby.launch()
        await standby.stands_by()
        await market.script(timeout_s=1, times=1)
        asked = market.provider.calls["getNumberV2"]
        bought = await market.buy(user)
        await eventually(lambda: market.provider.calls["getNumberV2"] > asked)
        world.timeline.say("poller", "frozen while its purchase is at the provider")
        trade.poller.freeze()
        await eventually(standby.is_ready, PATIENCE_S)
        await market.sms(waiting)
        await market.becomes(waiting, "received", PATIENCE_S)
        order = (await market.becomes(bought, "pending", PATIENCE_S))["order_id"]
        world.timeline.say("poller", "thawed")
        trade.poller.thaw()
        await trade.poller.stands_by()
        await market.bought(user)  # the fence: what the thawed one had to write is written by now
        assert (await market.activation(bought))["order_id"] == order
        assert await standby.is_ready()
        await trade.holds(user, bought=3, received=1)
    assert len(market.provider.numbers(utc_now())) == 3


async def test_fault_49_a_provider_that_stammers(trade: Trade) -> None:
    """429, 5xx, HTML, half a JSON, answers lost; numbers twice in a list, SMS newest first."""
    users, market = [await trade.followed() for _ in range(2)], trade.market
    await market.chaos(seed=3, error=0.05, down=0.03, limit=0.02, html=0.03, lost=0.05,
                       truncate=0.05, forget=0.1, double=1, shuffle=1)  # fmt: skip
    bought = {await market.buy(user): user for user in users * 2}
    for id in bought:
        await market.becomes(id, "pending", PATIENCE_S)
        await market.sms(id, "111111")
        await market.sms(id, "222222")
    for id in bought:
        await market.becomes(id, "received", PATIENCE_S)
    await market.chaos()
    for id in bought:
        await eventually(lambda id=id: market.has_messages(id, 2), PATIENCE_S)  # type: ignore[misc]
    assert len(market.provider.numbers(utc_now())) == len(bought)
    await trade.holds(*users, bought=2, received=2)


async def test_fault_50_a_provider_whose_clock_is_off(trade: Trade) -> None:
    """Six hours behind, then ahead: nothing ends early, and no time of an SMS is believed."""
    user, market = await trade.followed(), trade.market
    for hours in (-6, 6):
        await market.chaos(clock_offset_s=hours * 3600)
        id = await market.bought(user)
        await market.sms(id)
        row = await market.becomes(id, "received", PATIENCE_S)
        assert 1100 < (row["expires_at"] - row["created_at"]).total_seconds() < 1300
        assert row["created_at"] <= row["sms_received_at"] <= row["updated_at"]
    await trade.holds(user, bought=2, received=2)


async def test_fault_51_down_and_then_a_burst(trade: Trade) -> None:
    """Everything that came meanwhile is told once it is back, by lists and not one by one.

    An hour of it, in simulated time, is in tests/unit/test_breaker.py.
    """
    users, market = [await trade.followed() for _ in range(3)], trade.market
    ids = [await market.buy(user) for user in users * 5]
    for id in ids:
        await market.becomes(id, "pending", PATIENCE_S)
    for action in OUT_OF_ORDER:
        await market.script(action=action, http_status=503)
    await eventually(lambda: trade.poller.metric("sonnette_poller_breaker_open"), PATIENCE_S)
    for id in ids:
        await market.sms(id)
    market.provider.forget_scripts()
    for id in ids:
        await market.becomes(id, "received", PATIENCE_S)
    await trade.holds(*users, bought=5, received=5)


async def test_fault_52_no_ring_rings_and_the_write_succeeds(trade: Trade) -> None:
    """Rings are left out; what is there to do is found, and the next ring brings all."""
    user, market, world = await trade.followed(), trade.market, trade.world
    await market.bought(user)  # so that the poller has something to look after
    ring = await market.one(
        "select pg_get_functiondef('sonnette.ring(text,text[],integer)'::regprocedure) as text"
    )
    world.timeline.say("postgres", "no ring rings")
    await market.execute(NO_RING)
    id = await market.buy(user)
    await market.becomes(id, "pending", PATIENCE_S)
    await market.sms(id)
    await market.becomes(id, "received", PATIENCE_S)
    skipped = await market.one("select last_value from sonnette.rings_skipped")
    assert skipped["last_value"] >= 2
    await market.db.execute(str(ring["text"]).encode())
    world.timeline.say("postgres", "rings ring")
    await trade.holds(user, bought=2, received=1)


async def test_fault_53_a_purchase_whose_answer_is_lost(world: World) -> None:
    """The provider sells, its answer is a 502, and it knows no order ids: found in its list."""
    async with trade(world, "hero") as one:
        user, market = await one.followed(), one.market
        await market.script(action="getNumberV2", http_status=502, applied=True, times=1)
        lost, good = await market.buy(user), await market.buy(user)
        for id in (lost, good):
            await market.becomes(id, "pending", PATIENCE_S)
            await market.sms(id)
            await market.becomes(id, "received", PATIENCE_S)
        assert len(market.provider.numbers(utc_now())) == 2
        await one.holds(user, bought=2, received=2)
