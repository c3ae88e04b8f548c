"""Purchases that go wrong: a reason and the money back, and never two numbers or a lost one."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio

from poller.simulator import utc_now
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, polling, running, simulated

PLENTY = Decimal(10)


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    async with polling(database) as running:
        await running.script(never=True)
        yield running


def numbers_sold(world: Polling) -> int:
    return len(world.provider.numbers(utc_now()))


@pytest.mark.parametrize(
    ("word", "failure"),
    [
        ("NO_NUMBERS", "no_numbers"),
        ("WRONG_MAX_PRICE:0.60", "price_changed"),
        ("NO_BALANCE", "no_balance"),
        ("BAD_SERVICE", "provider_error"),
        ("BAD_KEY", "provider_error"),
    ],
)
async def test_a_refusal_is_a_reason_and_the_money_comes_back(
    world: Polling, word: str, failure: str
) -> None:
    await world.script(error=word)
    user = await world.user()
    id = await world.buy(user)
    failed = await world.becomes(id, "failed")
    assert failed["failure"] == failure
    assert await world.wallet(user) == ("10.00", "0.00")
    assert world.provider.calls["getNumberV2"] == 1


async def test_a_price_that_rose_since_the_list_was_fetched_is_not_paid(world: Polling) -> None:
    await world.execute("update sonnette.offers set price = 0.40, provider_price = 0.40")
    user = await world.user()
    failed = await world.becomes(await world.buy(user), "failed")
    assert failed["failure"] == "price_changed"


@pytest.mark.parametrize(
    "fault", [{"html": True}, {"http_status": 500}, {"error": "ERROR_SQL"}, {"error": '{"activ'}]
)
async def test_garbage_leaves_it_requested_until_it_can_be_bought(
    world: Polling, fault: dict[str, object]
) -> None:
    await world.script(**fault, times=2)
    user = await world.user()
    id = await world.buy(user)
    await world.becomes(id, "pending")
    assert numbers_sold(world) == 1
    assert world.provider.calls["getNumberV2"] == 3
    assert await world.metric("provider_unexpected_total", action="buy") == 2
    assert await world.wallet(user) == ("10.00", "0.50")


async def test_a_number_whose_answer_was_lost_is_found_and_not_bought_twice(
    world: Polling,
) -> None:
    await world.script(html=True, applied=True, times=1)
    user = await world.user()
    id = await world.buy(user)
    row = await world.becomes(id, "pending")
    assert numbers_sold(world) == 1
    number = world.provider.numbers(row["created_at"])[0]
    assert (row["order_id"], row["phone"]) == (number.id, number.phone)
    assert number.reference == str(id)


async def test_lost_answers_of_many_find_each_a_number_of_its_own(world: Polling) -> None:
    await world.script(html=True, applied=True, times=5)
    user = await world.user()
    ids = [await world.buy(user) for _ in range(8)]
    rows = [await world.becomes(id, "pending", timeout_s=20) for id in ids]
    assert len({row["order_id"] for row in rows}) == 8
    assert numbers_sold(world) == 8


async def test_a_lost_answer_is_not_taken_for_a_refusal_that_follows(world: Polling) -> None:
    await world.script(error="NO_NUMBERS")
    await world.script(html=True, applied=True, times=1)
    user = await world.user()
    id = await world.buy(user)
    row = await world.becomes(id, "pending")
    assert (await world.number(id)).reference == str(id)
    assert row["failure"] is None
    assert numbers_sold(world) == 1


async def test_already_ordered_and_not_listed_stays_requested_and_is_said(world: Polling) -> None:
    await world.script(error="ORDER_ALREADY_EXISTS")
    user = await world.user()
    id = await world.buy(user)
    seen = await world.looked_at(id)
    assert seen["last_error"] == "purchase unanswered: not_listed"
    assert (await world.activation(id))["status"] == "requested"
    assert await world.wallet(user) == ("10.00", "0.50")
    answers = await world.metric("provider_answers_total", action="buy", answer="AlreadyOrdered")
    assert answers >= 2


async def test_a_number_of_another_service_is_not_taken_for_the_lost_one(world: Polling) -> None:
    world.provider.buy("tg", "6", None, PLENTY, utc_now())
    world.provider.buy("wa", "0", None, PLENTY, utc_now())
    await world.script(error="ORDER_ALREADY_EXISTS")
    id = await world.buy(await world.user())
    await world.looked_at(id)
    assert (await world.activation(id))["status"] == "requested"


async def test_a_number_for_a_purchase_that_was_ended_meanwhile_is_given_back(
    world: Polling,
) -> None:
    await world.script(timeout_s=0.5, times=1)
    user = await world.user()
    id = await world.buy(user)
    await eventually(lambda: numbers_sold(world) == 1)
    await world.execute("update public.activations set status = 'failed' where id = %s", id)
    await eventually(lambda: world.provider.numbers(utc_now())[0].state == "cancelled")
    assert await world.wallet(user) == ("10.00", "0.00")


async def test_a_purchase_that_a_crash_cut_off_is_found_by_the_next_poller(
    database: Database,
) -> None:
    async with simulated(database) as (world, settings):
        async with running(settings):
            user = await world.user()
        id = await world.buy(user)
        number = world.provider.buy("wa", "6", str(id), PLENTY, utc_now())
        async with running(settings):
            row = await world.becomes(id, "pending")
        assert row["order_id"] == number.id
        assert numbers_sold(world) == 1
