"""Purchases that go wrong: a reason and the money back, and never two numbers or a lost one."""

from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
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


async def intent(world: Polling, id: object) -> str:
    row = await world.one("select last_error from sonnette.work where activation_id = %s", id)
    return str(row["last_error"])


async def test_the_intent_is_in_the_database_before_the_provider_sells(world: Polling) -> None:
    await world.script(timeout_s=1, times=1)
    id = await world.buy(await world.user())
    await eventually(lambda: numbers_sold(world) == 1)
    assert (await intent(world, id)).startswith("purchase unanswered")
    row = await world.one("select activation_id from sonnette.in_doubt")
    assert row["activation_id"] == id
    await world.becomes(id, "pending")
    cursor = await world.db.execute("select from sonnette.in_doubt")
    assert await cursor.fetchall() == []


async def test_what_cannot_be_written_down_is_not_bought(world: Polling) -> None:
    """An operator holds the work row: neither the intent nor an answer could be written."""
    async with await psycopg.AsyncConnection.connect(world.db.info.dsn) as operator:
        await world.script(action="getNumberV2", error="RATE_LIMIT", times=1)
        id = await world.buy(await world.user())
        await eventually(lambda: world.metric("provider_answers_total", answer="AccountRefused"))
        await operator.execute(
            "select from sonnette.work where activation_id = %s for update", (id,)
        )
        assert await rows_said_no(world, id)
        await operator.rollback()
        await world.becomes(id, "pending")
    assert numbers_sold(world) == 1


async def rows_said_no(world: Polling, id: object) -> bool:
    row = await world.one("select sonnette.purchase_begins(%s) as begun", id)
    return row["begun"] is False


@pytest.mark.parametrize("dialect", ["hero", "smsbower"])
async def test_without_an_order_id_a_lost_purchase_is_never_repeated(
    database: Database, dialect: str
) -> None:
    """With a list it is found there; without one it stays in doubt, for an operator to see."""
    async with simulated(database) as (world, settings):
        lists = dialect == "hero"
        async with running(settings, dialect=dialect):
            await world.script(never=True)
            await world.script(html=True, applied=True, times=1)
            user = await world.user()
            id = await world.buy(user)
            if lists:
                await world.becomes(id, "pending")
            else:
                await eventually(lambda: in_doubt(world, "nothing can tell"))
                assert (await world.activation(id))["status"] == "requested"
                assert await world.wallet(user) == ("10.00", "0.50")
                # A fence: another purchase goes through, and the first was not tried again.
                await world.bought(user)
        assert world.provider.calls["getNumberV2"] == (1 if lists else 2)


async def in_doubt(world: Polling, words: str) -> bool:
    cursor = await world.db.execute("select last_error from sonnette.in_doubt")
    return any(words in row["last_error"] for row in await cursor.fetchall())


async def test_an_orphan_that_fits_a_purchase_ended_in_doubt_is_to_be_given_back(
    world: Polling,
) -> None:
    """An operator set `failed`; then the provider lists the number, which nobody wants."""
    number = world.provider.buy("wa", "6", None, PLENTY, utc_now())
    user = await world.user()
    row = await world.one(
        """insert into public.activations
               (user_id, provider, service_code, country_code, status, price, created_at)
           values (%s, 'simulator', 'wa', '6', 'requested', 0.5, now() - interval '1 minute')
           returning id""",
        user,
    )
    await world.execute("update public.activations set status = 'failed' where id = %s", row["id"])
    await world.execute(ORPHAN, number.id)
    assert await orphans(world) == [(number.id, row["id"])]
    assert await world.wallet(user) == ("10.00", "0.00")


ORPHAN = (
    "select sonnette.orphans_seen('simulator', array[%s], array['6281'], array['wa'], array['6'])"
)


async def orphans(world: Polling) -> list[tuple[object, ...]]:
    cursor = await world.db.execute("select order_id, activation_id from sonnette.orphans")
    return [tuple(row.values()) for row in await cursor.fetchall()]


async def test_a_number_of_somebody_else_is_shown_and_left_alone(world: Polling) -> None:
    cursor = await world.db.execute(ORPHAN, ("777",))
    assert await cursor.fetchall() == []
    assert await orphans(world) == [("777", None)]


async def test_one_that_was_there_before_a_purchase_is_not_adopted_for_it(world: Polling) -> None:
    theirs = world.provider.buy("wa", "6", None, PLENTY, utc_now())
    await world.db.execute(ORPHAN, (theirs.id,))
    await world.script(error="ORDER_ALREADY_EXISTS")
    id = await world.buy(await world.user())
    await world.looked_at(id)
    assert (await world.activation(id))["status"] == "requested"


async def test_a_purchase_that_nobody_can_make_is_given_up_while_the_provider_is_down(
    world: Polling,
) -> None:
    user = await world.user()
    await world.bought(user)
    await world.script(action="getBalance", http_status=503)
    await world.script(action="getActiveActivations", http_status=503)
    await world.script(action="getStatus", http_status=503)
    await eventually(lambda: world.metric("sonnette_poller_breaker_open"), 20)
    id = await world.buy(user)
    await world.execute(
        "update public.activations set created_at = now() - interval '2 minutes' where id = %s", id
    )
    await world.execute("select pg_notify('sonnette_work', '*')")
    failed = await world.becomes(id, "failed")
    assert failed["failure"] == "provider_error"
    assert await world.wallet(user) == ("10.00", "0.50")


async def test_a_provider_that_is_out_of_order_for_long_sells_nothing(world: Polling) -> None:
    user = await world.user()
    await world.bought(user)
    await world.script(action="getActiveActivations", http_status=429, retry_after_s=600, times=1)
    await eventually(lambda: world.metric("sonnette_poller_breaker_open"))
    row = await world.one(
        """select state, state_reason, open_until - now() > interval '9 min' as long
           from sonnette.accounts"""
    )
    assert tuple(row.values()) == ("refused", "RATE_LIMIT", True)
    with pytest.raises(psycopg.Error, match="out of order just now; nothing was bought"):
        await world.buy(user)
    # Another account sells it, at whatever price.
    await world.execute("insert into sonnette.accounts (name, dialect) values ('other', 'x')")
    await world.execute(
        """insert into sonnette.offers
               (account, service_code, country_code, provider_price, price, stock)
           values ('other', 'wa', '6', 5, 5, 1)"""
    )
    assert (await world.activation(await world.buy(user)))["provider"] == "other"
