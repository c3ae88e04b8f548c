"""One more SMS on a number: asked by its user or an operator, agreed or refused by its provider.

In the system that ours replaces a number of which a further SMS was wanted got a status that no
poller and no list looked at: fault 10.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from poller.simulated import Number
from poller.simulator import utc_now
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, polling, running, simulated

BACK_TO_PENDING = "update public.activations set status = 'pending' where id = %s"


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    async with polling(database) as running:
        yield running


async def paid(world: Polling) -> tuple[UUID, UUID, Number]:
    """A user, their number that has had its first code, and the provider's side of it."""
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    number = await world.number(id)
    world.provider.deliver(number, "Your code is 111111", None, utc_now())
    await world.becomes(id, "received")
    return user, id, number


async def asked_again(world: Polling, id: UUID) -> None:
    """The provider waits for one more."""

    async def waits() -> bool:
        return (await world.number(id)).waits_again

    await eventually(waits)


async def test_fault_10_a_number_of_which_another_sms_is_wanted_is_looked_at(
    world: Polling,
) -> None:
    user, id, number = await paid(world)
    assert await world.answered(await world.ask(user, id, "another")) == "pending"
    assert (await world.activation(id))["status"] == "pending"
    assert number.waits_again
    world.provider.deliver(number, "Your code is 222222", None, utc_now())
    received = await world.becomes(id, "received")
    assert (received["sms_code"], received["sms_count"]) == ("222222", 2)
    assert [code for code, _ in await world.messages(id)] == ["111111", "222222"]
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_the_same_code_once_more_is_another_sms_even_where_no_list_shows_it(
    database: Database,
) -> None:
    """The provider waits, and then shows a code: that it is the old one does not make it old."""
    async with (
        simulated(database, dialect="smshub") as (world, settings),
        running(settings, dialect="smshub", api_key="demo-smshub"),
    ):
        user, id, number = await paid(world)
        assert await world.answered(await world.ask(user, id, "another")) == "pending"
        await world.looked_at(id)
        world.provider.deliver(number, "Your code is 111111", None, utc_now())
        received = await world.becomes(id, "received")
        assert (received["sms_code"], received["sms_count"]) == ("111111", 2)
        assert [code for code, _ in await world.messages(id)] == ["111111", "111111"]
        assert await world.wallet(user) == ("9.50", "0.00")


async def test_an_operator_who_types_pending_asks_for_another_too(world: Polling) -> None:
    user, id, number = await paid(world)
    await world.execute(BACK_TO_PENDING, id)
    await asked_again(world, id)
    world.provider.deliver(number, "Your code is 222222", None, utc_now())
    received = await world.becomes(id, "received")
    assert received["sms_code"] == "222222"
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_the_code_of_before_is_never_delivered_as_new(world: Polling) -> None:
    """STATUS_WAIT_RETRY carries it."""
    user, id, _ = await paid(world)
    await world.answered(await world.ask(user, id, "another"))
    await world.looked_at(id)
    assert (await world.activation(id))["status"] == "pending"
    assert await world.messages(id) == [("111111", "Your code is 111111")]


async def test_refused_it_is_received_as_before_and_says_why(world: Polling) -> None:
    user, id, _ = await paid(world)
    before = await world.activation(id)
    await world.script(action="setStatus", error="BAD_STATUS")
    assert await world.answered(await world.ask(user, id, "another")) == "refused"
    after = await world.activation(id)
    assert (after["status"], after["failure"]) == ("received", "another_refused")
    kept = ("sms_code", "sms_text", "sms_count", "sms_received_at", "charged")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert await world.messages(id) == [("111111", "Your code is 111111")]
    assert await world.wallet(user) == ("9.50", "0.00")
    world.provider.forget_scripts()
    assert await world.answered(await world.ask(user, id, "another")) == "pending"
    assert (await world.activation(id))["failure"] is None


async def test_an_operator_s_wish_that_is_refused_brings_it_back_too(world: Polling) -> None:
    _, id, _ = await paid(world)
    await world.script(action="setStatus", error="BAD_STATUS")
    await world.execute(BACK_TO_PENDING, id)
    received = await world.becomes(id, "received")
    assert received["failure"] == "another_refused"
    assert len(await world.messages(id)) == 1


async def test_a_provider_that_does_not_answer_is_asked_again(world: Polling) -> None:
    user, id, number = await paid(world)
    await world.script(action="setStatus", http_status=502, times=1)
    request = await world.ask(user, id, "another")
    assert await world.answered(request) == "pending"
    assert number.waits_again
    assert world.provider.calls["setStatus"] == 2


async def test_an_answer_that_is_lost_is_found_to_have_been_a_yes(world: Polling) -> None:
    user, id, _ = await paid(world)
    await world.script(action="setStatus", http_status=502, applied=True)
    assert await world.answered(await world.ask(user, id, "another")) == "pending"
    assert world.provider.calls["setStatus"] == 1


async def test_at_its_end_a_number_that_waits_for_another_is_finished(world: Polling) -> None:
    user, id, number = await paid(world)
    await world.answered(await world.ask(user, id, "another"))
    await world.expire(id)
    await world.becomes(id, "completed")
    assert number.state == "finished"
    assert await world.wallet(user) == ("9.50", "0.00")
