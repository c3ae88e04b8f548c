"""From purchase to code, through the poller's own code, a real database and HTTP."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from poller.simulator import utc_now
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, polling


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    async with polling(database) as running:
        yield running


async def test_a_bought_number_gets_its_code_and_the_money_is_taken(world: Polling) -> None:
    await world.script(delay_s=0.5, code="358042")
    user = await world.user()
    id = await world.buy(user)
    assert await world.wallet(user) == ("10.00", "0.50")
    pending = await world.becomes(id, "pending")
    assert pending["phone"].startswith("628")
    assert pending["operator"] is None
    assert (pending["expires_at"] - pending["created_at"]).total_seconds() >= 1200
    received = await world.becomes(id, "received")
    assert received["sms_code"] == "358042"
    assert received["sms_text"] == "Your code is 358042"
    assert received["charged"]
    assert await world.messages(id) == [("358042", "Your code is 358042")]
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_two_numbers_at_once_get_each_their_own(world: Polling) -> None:
    await world.script(delay_s=0)
    alice, bob = await world.user(), await world.user()
    ids = [await world.buy(alice), await world.buy(bob), await world.buy(alice, "tg")]
    for id in ids:
        received = await world.becomes(id, "received")
        assert received["sms_code"] == (await world.number(id)).sms[0].code
    assert world.provider.calls["getNumberV2"] == 3


async def test_a_cancel_is_told_to_the_provider_and_the_money_comes_back(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    request = await world.ask(user, id, "cancel")
    await world.becomes(id, "cancelled")
    assert await world.answered(request) == "cancelled"
    assert (await world.number(id)).state == "cancelled"
    assert await world.wallet(user) == ("10.00", "0.00")


async def test_an_operator_s_update_has_the_same_effect(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.execute("update public.activations set status = 'cancelling' where id = %s", id)
    await world.becomes(id, "cancelled")
    assert (await world.number(id)).state == "cancelled"
    assert await world.wallet(user) == ("10.00", "0.00")


async def test_a_number_that_its_provider_takes_back_is_over_and_the_money_is_back(
    world: Polling,
) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    world.provider.cancel(await world.number(id), utc_now())
    row = await world.becomes(id, "cancelled")
    assert row["failure"] == "cancelled_by_provider"
    assert await world.wallet(user) == ("10.00", "0.00")


async def test_a_cancel_that_the_provider_refuses_keeps_number_and_money(world: Polling) -> None:
    await world.script(never=True, cancel_after_s=120)
    user = await world.user()
    id = await world.bought(user)
    request = await world.ask(user, id, "cancel")
    assert await world.answered(request) == "refused"
    kept = await world.activation(id)
    assert kept["status"] == "pending"
    assert kept["failure"] == "cancel_too_early"
    assert (kept["cancel_after"] - kept["created_at"]).total_seconds() == 120
    assert await world.wallet(user) == ("10.00", "0.50")


async def test_a_cancel_that_meets_a_code_delivers_it(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    # Between two looks: the list is silent while the SMS comes and the user cancels.
    await world.script(action="getActiveActivations", error="ERROR_SQL")
    await world.script(action="getStatus", error="ERROR_SQL")
    await world.looked_at(id)
    world.provider.deliver(await world.number(id), "Your code is 358042", None, utc_now())
    request = await world.ask(user, id, "cancel")
    world.provider.forget_scripts()
    received = await world.becomes(id, "received")
    assert received["sms_code"] == "358042"
    assert await world.answered(request) == "refused"
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_at_expiry_the_number_is_given_back_before_the_money(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.expire(id)
    await world.becomes(id, "timeout")
    assert (await world.number(id)).state == "cancelled"
    assert await world.wallet(user) == ("10.00", "0.00")


async def test_at_expiry_a_code_that_nobody_saw_is_delivered_and_paid(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.script(action="getActiveActivations", error="ERROR_SQL")
    await world.script(action="getStatus", error="ERROR_SQL", times=1)
    await world.looked_at(id, more=1)
    world.provider.deliver(await world.number(id), "Your code is 358042", None, utc_now())
    await world.expire(id)
    await world.becomes(id, "completed")
    assert await world.messages(id) == [("358042", None)]
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_at_expiry_nothing_comes_back_while_the_provider_is_silent(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.script(action="setStatus", http_status=502)
    await world.expire(id)
    seen = await world.looked_at(id)
    assert seen["last_error"] == "cancel at expiry: http_502"
    assert (await world.activation(id))["status"] == "pending"
    assert await world.wallet(user) == ("10.00", "0.50")
    world.provider.forget_scripts()
    await world.becomes(id, "timeout")


async def test_asking_for_a_check_asks_the_provider_now(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    assert await world.answered(await world.ask(user, id, "check")) == "pending"
    world.provider.deliver(await world.number(id), "Your code is 358042", None, utc_now())
    assert await world.answered(await world.ask(user, id, "check")) == "received"
    assert (await world.activation(id))["sms_code"] == "358042"
    assert await world.answered(await world.ask(user, id, "check")) == "received"
    assert await world.messages(id) == [("358042", "Your code is 358042")]


async def test_a_check_waits_for_an_answer_that_is_one(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.script(action="getActiveActivations", html=True)
    await world.script(action="getStatus", html=True)
    request = await world.ask(user, id, "check")
    await world.looked_at(id)
    row = await world.one("select done_at from sonnette.requests where id = %s", request)
    assert row["done_at"] is None
    world.provider.forget_scripts()
    assert await world.answered(request) == "pending"


async def test_a_finish_is_told_to_the_provider(world: Polling) -> None:
    await world.script(delay_s=0)
    user = await world.user()
    id = await world.bought_and_received(user)
    request = await world.ask(user, id, "finish")
    await world.becomes(id, "completed")
    assert await world.answered(request) == "completed"
    assert (await world.number(id)).state == "finished"
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_a_received_number_is_finished_at_its_expiry(world: Polling) -> None:
    await world.script(delay_s=0)
    user = await world.user()
    id = await world.bought_and_received(user)
    await world.expire(id)
    await world.becomes(id, "completed")
    assert (await world.number(id)).state == "finished"


async def test_a_second_sms_is_seen_beside_the_first(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    number = await world.number(id)
    world.provider.deliver(number, "Your code is 111111", None, utc_now())
    await world.becomes(id, "received")
    world.provider.deliver(number, "Your code is 222222", None, utc_now())
    await world.ask(user, id, "check")
    await eventually(lambda: world.has_messages(id, 2))
    assert [code for code, _ in await world.messages(id)] == ["111111", "222222"]
    row = await world.activation(id)
    assert (row["sms_code"], row["sms_count"], row["status"]) == ("222222", 2, "received")
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_a_second_sms_is_seen_while_the_list_is_fetched_for_others(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id, other = await world.bought(user), await world.bought(user)
    number = await world.number(id)
    world.provider.deliver(number, "Your code is 111111", None, utc_now())
    await world.becomes(id, "received")
    world.provider.deliver(number, "Your code is 222222", None, utc_now())
    await eventually(lambda: world.has_messages(id, 2))
    assert (await world.messages(id))[1] == ("222222", "Your code is 222222")
    assert (await world.activation(other))["status"] == "pending"


async def test_sent_back_to_pending_the_provider_is_asked_for_another(world: Polling) -> None:
    await world.script(delay_s=0.3)
    user = await world.user()
    id = await world.bought_and_received(user)
    await world.execute("update public.activations set status = 'pending' where id = %s", id)
    await eventually(lambda: world.has_messages(id, 2))
    number = await world.number(id)
    assert [code for code, _ in await world.messages(id)] == [sms.code for sms in number.sms]
    assert (await world.activation(id))["status"] == "received"
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_an_sms_without_a_code_is_stored_as_it_came(world: Polling) -> None:
    await world.script(delay_s=0, text="Welcome to the club")
    user = await world.user()
    id = await world.bought_and_received(user)
    assert await world.messages(id) == [(None, "Welcome to the club")]
    assert await world.answered(await world.ask(user, id, "check")) == "received"
    assert await world.messages(id) == [(None, "Welcome to the club")]


async def test_a_row_that_nobody_bought_is_cancelled_without_a_question(world: Polling) -> None:
    user = await world.user()
    row = await world.one(
        """insert into public.activations
               (user_id, provider, service_code, country_code, status, price)
           values (%s, 'simulator', 'wa', '6', 'pending', 0.5) returning id""",
        user,
    )
    assert isinstance(row["id"], UUID)
    await world.looked_at(row["id"], more=1)
    await world.execute(
        "update public.activations set status = 'cancelling' where id = %s", row["id"]
    )
    await world.becomes(row["id"], "cancelled")
    assert await world.wallet(user) == ("10.00", "0.00")
    assert world.provider.calls["setStatus"] == 0
