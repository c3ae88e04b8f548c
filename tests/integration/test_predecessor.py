"""The twenty-five faults of the system that this one replaces, each by its number and in its words.

A fault that the screen had is proved where the screen is tested, and the webhook's where webhooks
are; ELSEWHERE names those tests, and the last test here sees to it that they are there.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import psycopg
import pytest
import pytest_asyncio

from db.activation import Status
from poller.providers import handler_api
from poller.providers.answers import Waiting
from poller.providers.wire import Reply
from poller.simulator import utc_now
from tests.db_helpers import (
    ALICE,
    BOB,
    Connection,
    events_of,
    feed_of,
    give_money,
    make_activation,
    make_offer,
    make_user,
    rows,
    value,
    wallet_of,
)
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService
from tests.polling import Polling, polling

TESTS = Path(__file__).parents[1]
# In each of these files a test's name begins with test_fault_<number>_.
ELSEWHERE = {
    1: ("browser/test_levels.py",),
    5: ("browser/test_page.py",),
    8: ("browser/test_levels.py",),
    14: ("integration/test_service_webhooks.py", "integration/test_poller_webhooks.py"),
}

ARRIVES = "select sonnette.sms_arrived(%s, %s, %s, null, now(), 'poller', %s)"


@pytest_asyncio.fixture
async def shop(db: Connection) -> Connection:
    """Alice has 10.00, and there is something to buy for 0.50."""
    await give_money(db, ALICE)
    await make_offer(db)
    return db


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    """A poller and a provider whose numbers stay silent."""
    async with polling(database) as running:
        await running.script(never=True)
        yield running


async def bought(db: Connection) -> str:
    id = await value(db, "select id from sonnette.buy(%s, 'wa', '6')", ALICE)
    await db.execute(
        "select sonnette.number_bought(%s, %s, '6281', null, null, now() + interval '20 min')",
        (id, str(id)),
    )
    return str(id)


async def become(db: Connection, id: str, status: str) -> None:
    await db.execute("update activations set status = %s where id = %s", (status, id))


async def kinds(db: Connection) -> list[str]:
    return [row["kind"] for row in await rows(db, "select kind from ledger order by id")]


async def test_2_no_cron_asks_for_each_number_one_by_one(world: Polling) -> None:
    """ "0 s" hid a cron of 60 s: 50 rows, one by one, 500 ms of sleep between them."""
    user = await world.user("50.00")
    await world.script(delay_s=1)
    ids = [await world.buy(user) for _ in range(60)]
    for id in ids:
        await world.becomes(id, "received", timeout_s=20)
    # A number whose SMS was stored between two looks may be asked about once more.
    assert world.provider.calls["getStatus"] < 10
    assert world.provider.calls["getActiveActivations"] < 60


async def test_3_an_old_row_has_every_column(shop: Connection) -> None:
    """The old row carried only its key, so every later UPDATE of a received row toasted again."""
    id = await bought(shop)
    await become(shop, id, "received")
    await shop.execute("update activations set operator = 'mtt' where id = %s", (id,))
    last = (await feed_of(shop, ALICE))[-1]
    assert (last["old"]["status"], last["record"]["status"]) == ("received", "received")
    assert last["old"].keys() == last["record"].keys()


async def test_4_what_happened_while_nobody_was_connected_is_read_again(shop: Connection) -> None:
    """Nothing was replayed after a disconnect, and nothing re-read."""
    id = await bought(shop)
    await become(shop, id, "received")
    events = await events_of(shop, ALICE)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    assert events[-1][1:] == ("UPDATE", "activations")


async def test_6_no_text_is_made_up(shop: Connection) -> None:
    """When the provider gave no text, a text was made up. Store what was received, or nothing."""
    id = await bought(shop)
    await shop.execute(ARRIVES, (id, "358042", None, "1"))
    assert await rows(shop, "select code, text from messages") == [{"code": "358042", "text": None}]
    assert await value(shop, "select sms_text from activations") is None


async def test_7_a_second_sms_is_kept(shop: Connection) -> None:
    """Only one SMS for each number: the second was thrown away."""
    id = await bought(shop)
    for number, code in enumerate(("111111", "222222")):
        await shop.execute(ARRIVES, (id, code, code, str(number)))
    found = await rows(shop, "select code from messages order by id")
    assert [row["code"] for row in found] == ["111111", "222222"]
    assert [table for _, _, table in await events_of(shop, ALICE)].count("messages") == 2


async def test_9_the_provider_is_asked_a_last_time_before_money_goes_back(world: Polling) -> None:
    """Expiry was decided by the local clock first: refunded, and the SMS arrived."""
    user = await world.user()
    id = await world.bought(user)
    await world.script(action="getActiveActivations", error="ERROR_SQL")
    await world.script(action="getStatus", error="ERROR_SQL")
    await eventually(lambda: unsure(world, id))
    world.provider.deliver(await world.number(id), "Your code is 358042", None, utc_now())
    world.provider.forget_scripts()
    await world.expire(id)
    assert (await world.becomes(id, "received"))["sms_code"] == "358042"
    assert await world.wallet(user) == ("9.50", "0.00")


async def unsure(world: Polling, id: object) -> bool:
    row = await world.one("select last_error from sonnette.work where activation_id = %s", id)
    return row["last_error"] is not None


async def test_10_another_sms_is_a_state_that_is_looked_at(shop: Connection) -> None:
    """ "Another SMS" put the row in a state that no poller and no list looked at."""
    id = await bought(shop)
    await shop.execute(ARRIVES, (id, "1", "1", "1"))
    await shop.execute("select sonnette.ask(%s, %s, 'another')", (ALICE, id))
    assert await value(shop, "select status from activations") == "pending"
    assert await value(shop, "select next_check_at <= now() from sonnette.work") is True
    assert await wallet_of(shop, ALICE) == ("9.50", "0.00"), "and nothing is frozen for ever"


@pytest.mark.parametrize("word", ["STATUS_WAIT_RETRY:111111", "STATUS_WAIT_RESEND"])
def test_11_words_of_waiting_are_understood(word: str) -> None:
    """WAIT_RETRY and WAIT_RESEND were not understood."""
    assert handler_api.status(Reply(200, word.encode())) == Waiting(again=True)


async def test_12_rows_of_one_provider_are_not_asked_of_another(world: Polling) -> None:
    """Rows of one provider were asked of another."""
    user = await world.user()
    number = await world.number(await world.bought(user))
    row = await world.one(
        """insert into public.activations
               (user_id, provider, order_id, service_code, country_code, status, price)
           values (%s, 'other', %s, 'wa', '6', 'pending', 0.5) returning id""",
        user,
        number.id,
    )
    world.provider.deliver(number, "Your code is 358042", None, utc_now())
    later = await world.bought(user)  # a fence: by now it would have been looked at
    world.provider.deliver(await world.number(later), "Your code is 1111", None, utc_now())
    await world.becomes(later, "received")
    assert (await world.activation(row["id"]))["status"] == "pending"
    assert (await world.work(row["id"]))["attempts"] == 0


@pytest.mark.parametrize(
    "call",
    [
        "select sonnette.number_bought(%s, '1', '6281', null, null, null)",
        "select sonnette.purchase_failed(%s, 'no_numbers')",
        "select sonnette.cancel_refused(%s, 'no', null)",
        "select sonnette.end_activation(%s, 'timeout', null)",
    ],
)
async def test_13_a_write_that_changes_nothing_says_so(shop: Connection, call: str) -> None:
    """The cron ran with a role whose UPDATEs matched no row, silently."""
    id = await bought(shop)
    await become(shop, id, "cancelled")
    assert await value(shop, call, id) is False


async def test_15_two_purchases_at_once_freeze_twice(database: Database, shop: Connection) -> None:
    """Frozen money was read, changed and written back without a lock."""

    async def buy() -> None:
        async with await psycopg.AsyncConnection.connect(database.dsn()) as session:
            await session.execute("select sonnette.buy(%s, 'wa', '6')", (ALICE,))

    await asyncio.gather(*(buy() for _ in range(8)))
    assert await wallet_of(shop, ALICE) == ("10.00", "4.00")


@pytest.mark.parametrize("field", ["user_id", "price", "provider", "status"])
async def test_16_price_and_payer_are_not_the_caller_s_to_say(
    service: RunningService, field: str
) -> None:
    """The price and the paying user were taken from the request body."""
    body = {"service_code": "wa", "country_code": "6", field: str(BOB)}
    async with service.user(ALICE) as client:
        answer = await client.post("/v1/activations", json=body)
    assert answer.status_code == 400
    assert field in answer.json()["detail"]


async def test_17_a_cancel_listens_to_the_provider_and_is_for_the_owner(world: Polling) -> None:
    """Cancel refunded without listening to the provider, and without checking whose number."""
    await world.script(never=True, cancel_after_s=120)
    user = await world.user()
    id = await world.bought(user)
    with pytest.raises(psycopg.Error, match="no such activation"):
        await world.ask(await world.user(), id, "cancel")
    assert await world.answered(await world.ask(user, id, "cancel")) == "refused"
    assert await world.wallet(user) == ("10.00", "0.50")


async def test_18_what_is_marked_charged_is_charged(shop: Connection) -> None:
    """Manual recovery marked a row charged without charging it."""
    id = await bought(shop)
    with pytest.raises(psycopg.Error, match="follow its status and are not set by hand"):
        await shop.execute("update activations set charged = true where id = %s", (id,))
    await become(shop, id, "received")
    assert await value(shop, "select charged from activations") is True
    assert await wallet_of(shop, ALICE) == ("9.50", "0.00")


async def test_19_a_late_sms_is_no_free_code(shop: Connection) -> None:
    """A late SMS after a refund gave a free code."""
    id = await bought(shop)
    await become(shop, id, "timeout")
    seen = await events_of(shop, ALICE)
    assert await value(shop, ARRIVES, id, "358042", "text", "1") == "late"
    assert await value(shop, "select code from sonnette.late_messages") == "358042"
    assert await value(shop, "select count(*) from messages") == 0
    assert await events_of(shop, ALICE) == seen, "nothing of it reaches the user"


async def test_20_what_was_frozen_is_refunded_once(shop: Connection) -> None:
    """Refunds by price instead of by what was frozen; double debits, credits, phantom freezes."""
    paid, unpaid = await bought(shop), await bought(shop)
    await shop.execute(ARRIVES, (paid, "1", "1", "1"))
    await shop.execute("update activations set status = 'pending' where id = %s", (paid,))
    for id in (paid, unpaid):
        for _ in range(2):
            await value(shop, "select sonnette.end_activation(%s, 'timeout', null)", id)
    assert await kinds(shop) == ["credit", "freeze", "freeze", "commit", "refund"]
    assert await wallet_of(shop, ALICE) == ("9.50", "0.00")


async def test_21_every_function_is_there_once(shop: Connection) -> None:
    """Two versions of the refund function were deployed at once."""
    doubled = await rows(
        shop,
        """select proname from pg_proc
           where pronamespace in ('sonnette'::regnamespace, 'public'::regnamespace)
           group by proname having count(*) > 1""",
    )
    assert doubled == []


async def test_22_an_sms_and_a_refund_that_race_do_not_deadlock(
    database: Database, shop: Connection
) -> None:
    """SMS locked activation then user, refund locked user then activation."""
    ids = [await bought(shop) for _ in range(15)]

    async def session(call: str) -> None:
        async with await psycopg.AsyncConnection.connect(database.dsn(), autocommit=True) as db:
            for id in ids:
                try:
                    await db.execute(call.encode(), (id,))
                except psycopg.Error as error:
                    assert error.sqlstate == "SN409", error  # noqa: PT017 - a lost race, in a loop

    sms = "select sonnette.sms_arrived(%s, '1', 't', null, now(), 'poller', '1')"
    refund = "update activations set status = 'cancelled' where id = %s"
    await asyncio.gather(*(session(call) for call in (sms, refund, sms, refund)))
    assert await rows(shop, "select * from sonnette.money_differences") == []


async def test_23_status_and_money_change_in_one_transaction(shop: Connection) -> None:
    """Status and money changed in two steps: a crash between them leaked the freeze."""
    id = await bought(shop)
    await become(shop, id, "cancelled")
    last = (await feed_of(shop, ALICE))[-2:]
    assert [change["table_name"] for change in last] == ["wallets", "activations"]
    assert len({change["tx"] for change in last}) == 1


async def test_24_every_word_of_ours_is_one_that_the_table_takes(shop: Connection) -> None:
    """Values were written that the table's CHECKs refuse, and the error was swallowed."""
    check = await value(
        shop, "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", STATUS_CHECK
    )
    for status in get_args(Status):
        assert f"'{status}'" in check
    with pytest.raises(psycopg.Error, match="cannot become lost"):
        await become(shop, await bought(shop), "lost")
    with pytest.raises(psycopg.Error, match="is not an ending"):
        await value(shop, "select sonnette.end_activation(%s, 'lost', null)", await bought(shop))


STATUS_CHECK = "activations_status"


async def test_25_an_order_id_is_unique_at_its_provider(shop: Connection) -> None:
    """The provider's order id was unique across all providers."""
    user = await make_user(shop)
    ids = [await make_activation(shop, user) for _ in range(3)]
    name = "update activations set provider = %s, order_id = '9' where id = %s"
    await shop.execute(name, ("first", ids[0]))
    await shop.execute(name, ("second", ids[1]))
    with pytest.raises(psycopg.errors.UniqueViolation, match="activations_order"):
        await shop.execute(name, ("first", ids[2]))


def test_none_of_the_twenty_five_is_forgotten() -> None:
    found = (re.match(r"test_(\d+)_", name) for name in globals())
    here = {int(match[1]) for match in found if match}
    assert here | set(ELSEWHERE) == set(range(1, 26))
    assert here & set(ELSEWHERE) == set()
    for number, files in ELSEWHERE.items():
        for file in files:
            names = re.findall(r"^(?:async )?def (\w+)", (TESTS / file).read_text(), re.MULTILINE)
            assert any(name.startswith(f"test_fault_{number}_") for name in names), (number, file)
