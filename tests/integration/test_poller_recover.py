"""A recovery through poller, database and provider: what was missed is found, and paid for once."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio
from psycopg.rows import DictRow

from poller.simulated import Delivery
from poller.simulator import utc_now
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, polling

SMS = Delivery(utc_now(), "358042", "Your code is 358042")


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    async with polling(database) as running:
        yield running


async def recovered(world: Polling, user: UUID, id: UUID) -> object:
    """What a recovery says that it found."""
    request = await world.ask(user, id, "recover")
    assert await world.answered(request) == "found"
    return (await world.one("select found from sonnette.requests where id = %s", request))["found"]


def found(new: int = 0, texts: int = 0, late: int = 0, number: str = "alive") -> dict[str, object]:
    return {
        "new_messages": new,
        "completed_texts": texts,
        "late_messages": late,
        "number": number,
    }


async def late(world: Polling, id: UUID) -> list[DictRow]:
    cursor = await world.db.execute(
        "select status, code, text, source from sonnette.late_messages where activation_id = %s",
        (id,),
    )
    return await cursor.fetchall()


async def timed_out(world: Polling) -> tuple[UUID, UUID]:
    """A number that was given back, its money too."""
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.expire(id)
    await world.becomes(id, "timeout")
    return user, id


async def test_a_code_that_nobody_saw_is_found_and_paid_once(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    for action in ("getActiveActivations", "getStatus"):
        await world.script(action=action, error="ERROR_SQL")
    await world.looked_at(id)
    world.provider.deliver(await world.number(id), SMS.text, None, utc_now())
    assert await recovered(world, user, id) == found(new=1)
    row = await world.activation(id)
    assert (row["status"], row["sms_text"]) == ("received", SMS.text)
    assert await recovered(world, user, id) == found()
    assert await world.messages(id) == [(SMS.code, SMS.text)]
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_a_text_that_was_missing_is_filled_in(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.script(action="getActiveActivations", error="ERROR_SQL")
    world.provider.deliver(await world.number(id), SMS.text, None, utc_now())
    await world.becomes(id, "received")
    assert await world.messages(id) == [(SMS.code, None)]
    assert await recovered(world, user, id) == found(texts=1)
    assert await world.messages(id) == [(SMS.code, SMS.text)]
    assert (await world.activation(id))["sms_text"] == SMS.text
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_where_the_full_status_is_not_served_the_text_is_found_too(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    await world.script(action="getActiveActivations", error="ERROR_SQL")
    await world.script(action="getStatusV2", error="BAD_ACTION")
    world.provider.deliver(await world.number(id), SMS.text, None, utc_now())
    await world.becomes(id, "received")
    assert await recovered(world, user, id) == found(texts=1)
    assert await world.messages(id) == [(SMS.code, SMS.text)]


async def test_every_sms_of_a_number_is_read(world: Polling) -> None:
    """The status shows the newest alone; the list has the others."""
    user = await world.user()
    await world.script(never=True)
    id = await world.bought(user)
    for action in ("getActiveActivations", "getStatus"):
        await world.script(action=action, error="ERROR_SQL")
    await world.looked_at(id)
    number = await world.number(id)
    for text in ("Your code is 111111", "Your code is 222222"):
        world.provider.deliver(number, text, None, utc_now())
    await world.execute("update sonnette.work set next_check_at = now() + interval '1 hour'")
    world.provider.forget_scripts()
    assert await recovered(world, user, id) == found(new=2)
    assert [code for code, _ in await world.messages(id)] == ["111111", "222222"]
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_a_code_after_the_money_went_back_is_kept_and_not_shown(world: Polling) -> None:
    user, id = await timed_out(world)
    number = await world.number(id)
    number.state = "active"  # a provider that goes back on its word
    number.sms.append(SMS)
    assert await recovered(world, user, id) == found(late=1, number="over")
    assert await recovered(world, user, id) == found(number="over")
    assert [dict(row) for row in await late(world, id)] == [
        {"status": "timeout", "code": SMS.code, "text": SMS.text, "source": "recover"}
    ]
    assert await world.messages(id) == []
    row = await world.activation(id)
    assert (row["status"], row["sms_code"], row["charged"]) == ("timeout", None, False)
    assert await world.wallet(user) == ("10.00", "0.00")


async def test_who_has_paid_gets_what_is_found_after_the_end(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    number = await world.number(id)
    world.provider.deliver(number, SMS.text, None, utc_now())
    await world.becomes(id, "received")
    await world.answered(await world.ask(user, id, "finish"))
    number.sms.append(Delivery(utc_now(), "222222", "Your code is 222222"))
    assert await recovered(world, user, id) == found(new=1, number="over")
    row = await world.activation(id)
    assert (row["status"], row["sms_code"], row["sms_count"]) == ("completed", "222222", 2)
    assert await late(world, id) == []
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_a_number_that_the_provider_took_back_is_found_to_be_over(world: Polling) -> None:
    await world.script(never=True)
    user = await world.user()
    id = await world.bought(user)
    for action in ("getActiveActivations", "getStatus"):
        await world.script(action=action, error="ERROR_SQL")
    await world.looked_at(id)
    world.provider.cancel(await world.number(id), utc_now())
    assert await recovered(world, user, id) == found(number="over")
    await world.becomes(id, "cancelled")
    assert await world.wallet(user) == ("10.00", "0.00")


async def test_of_a_number_that_is_forgotten_nothing_is_found(world: Polling) -> None:
    user, id = await timed_out(world)
    await world.script(action="getStatusV2", error="NO_ACTIVATION")
    assert await recovered(world, user, id) == found(number="unknown")


async def test_a_provider_that_does_not_answer_is_not_asked_without_end(world: Polling) -> None:
    user, id = await timed_out(world)
    await world.script(action="getStatusV2", http_status=502)
    calls = world.provider.calls["getStatusV2"]
    request = await world.ask(user, id, "recover")
    assert await world.answered(request) == "unanswered"
    await eventually(lambda: world.provider.calls["getStatusV2"] > calls)
    world.provider.forget_scripts()
    assert await recovered(world, user, id) == found(number="over")
