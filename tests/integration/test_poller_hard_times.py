"""Providers at their worst, and a ring that does not ring: faults 49, 51 and 52.

All of 49 to 53 under the eyes of clients: tests/chaos/test_poller.py.
"""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, polling

ASKED = ("getActiveActivations", "getStatus", "getBalance", "getPrices", "getNumberV2", "setStatus")
RING_LEFT_OUT = """
    create or replace function sonnette.ring(channel text, items text[], most integer) returns void
        language plpgsql set search_path = pg_catalog, sonnette, pg_temp
    as $$ begin perform nextval('sonnette.rings_skipped'); end $$
"""


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    async with polling(database) as running:
        await running.script(never=True)
        yield running


async def test_doubled_and_disordered_lists_deliver_each_sms_once(world: Polling) -> None:
    """Fault 49: numbers twice in a list, SMS newest first."""
    await world.chaos(double=1, shuffle=1)
    user = await world.user()
    ids = [await world.bought(user) for _ in range(3)]
    for code in ("111111", "222222", "333333"):
        for id in ids:
            await world.sms(id, code)
    for id in ids:
        await eventually(lambda id=id: world.has_messages(id, 3))  # type: ignore[misc]
        found = sorted(str(code) for code, _ in await world.messages(id))
        assert found == ["111111", "222222", "333333"]
    assert await world.wallet(user) == ("8.50", "0.00")


async def test_after_an_outage_all_that_came_meanwhile_is_delivered_at_once(
    world: Polling,
) -> None:
    """Fault 51: the provider is down; then it is back, and every number has its SMS."""
    user = await world.user("50.00")
    ids = [await world.buy(user) for _ in range(40)]
    for id in ids:
        await world.becomes(id, "pending", timeout_s=20)
    for action in ASKED:
        await world.script(action=action, http_status=503)
    await eventually(lambda: world.metric("sonnette_poller_breaker_open"), 20)
    for id in ids:
        await world.sms(id, "358042")
    asked = world.provider.calls.total()
    await eventually(lambda: world.provider.calls.total() > asked, 20)
    assert {(await world.activation(id))["status"] for id in ids} == {"pending"}
    world.provider.forget_scripts()
    lists = world.provider.calls["getActiveActivations"]
    for id in ids:
        await world.becomes(id, "received", timeout_s=40)
    assert world.provider.calls["getActiveActivations"] - lists < len(ids), "and not one by one"
    assert await world.wallet(user) == ("30.00", "0.00")
    assert await world.metric("sonnette_poller_breaker_open") == 0


async def test_writes_succeed_while_no_ring_rings_and_the_work_is_found(world: Polling) -> None:
    """Fault 52: the notify queue is over half full, so rings are left out and counted."""
    await world.execute(RING_LEFT_OUT)
    user = await world.user()
    id = await world.buy(user)
    await world.becomes(id, "pending")
    await world.sms(id, "358042")
    await world.becomes(id, "received")
    request = await world.ask(user, id, "finish")
    await world.becomes(id, "completed")
    assert await world.answered(request) == "completed"
    row = await world.one("select last_value from sonnette.rings_skipped")
    assert row["last_value"] >= 4


async def test_a_thousand_purchases_that_hang_do_not_stand_before_a_code(world: Polling) -> None:
    user = await world.user()
    id = await world.bought(user)
    await world.script(timeout_s=25)
    sold = world.provider.calls["getNumberV2"]
    await world.execute(
        """insert into public.activations
               (user_id, provider, service_code, country_code, status, price)
           select %s, 'simulator', 'wa', '6', 'requested', 0 from generate_series(1, 1100)""",
        user,
    )
    await eventually(lambda: world.provider.calls["getNumberV2"] > sold)
    await world.sms(id, "358042")
    await world.becomes(id, "received", timeout_s=20)
    await world.execute(
        "update public.activations set status = 'failed' where status = 'requested'"
    )
    world.provider.forget_scripts()
