"""Money follows status: each movement once, in the statement that changes the status."""

import asyncio

import psycopg
import pytest

from tests.db_helpers import (
    ALICE,
    BOB,
    Connection,
    events_of,
    give_money,
    make_activation,
    make_offer,
    make_user,
    rows,
    value,
    wallet_of,
)
from tests.fixtures.postgres import Database

LEDGER = (
    "select kind, amount::text, balance_after::text, frozen_after::text from ledger order by id"
)
DIFFERENCES = """
    select w.user_id from wallets w
    left join lateral (select balance_after, frozen_after from ledger l
                       where l.user_id = w.user_id order by id desc limit 1) last on true
    left join lateral (select coalesce(sum(frozen_amount), 0) as frozen from activations a
                       where a.user_id = w.user_id) held on true
    where (w.balance, w.frozen) is distinct from
          (coalesce(last.balance_after, 0), coalesce(last.frozen_after, 0))
       or w.frozen <> held.frozen
"""


@pytest.fixture
async def shop(db: Connection) -> Connection:
    """Alice has 10.00, and there is something to buy for 0.50."""
    await give_money(db, ALICE)
    await make_offer(db)
    return db


async def buy(db: Connection) -> str:
    bought = await value(db, "select id from sonnette.buy(%s, 'wa', '6')", ALICE)
    await value(
        db,
        "select sonnette.number_bought(%s, %s, '79001', null, null, now() + interval '20 min')",
        bought,
        str(bought),
    )
    return str(bought)


async def set_status(db: Connection, activation: str, status: str) -> None:
    await db.execute("update activations set status = %s where id = %s", (status, activation))


async def ledger(db: Connection) -> list[tuple[str, str]]:
    return [(row["kind"], row["amount"]) for row in await rows(db, LEDGER)]


async def test_buying_freezes_the_price(shop: Connection) -> None:
    await buy(shop)
    assert await wallet_of(shop, ALICE) == ("10.00", "0.50")
    assert await ledger(shop) == [("credit", "10.00"), ("freeze", "0.50")]


async def test_the_first_sms_commits_and_the_second_costs_nothing(shop: Connection) -> None:
    bought = await buy(shop)
    for number, code in enumerate(["123456", "654321"]):
        arrived = await value(
            shop,
            "select sonnette.sms_arrived(%s, %s, 'text', null, now(), 'poll', %s)",
            bought,
            code,
            str(number),
        )
        assert arrived == "delivered"
    assert await wallet_of(shop, ALICE) == ("9.50", "0.00")
    assert await ledger(shop) == [("credit", "10.00"), ("freeze", "0.50"), ("commit", "0.50")]
    messages = await rows(shop, "select code from messages order by id")
    assert [m["code"] for m in messages] == ["123456", "654321"]
    assert await value(shop, "select sms_count from activations") == 2


@pytest.mark.parametrize("ending", ["cancelled", "timeout", "failed"])
async def test_an_ending_without_sms_refunds(shop: Connection, ending: str) -> None:
    bought = await buy(shop)
    await set_status(shop, bought, ending)
    assert await wallet_of(shop, ALICE) == ("10.00", "0.00")
    assert (await ledger(shop))[-1] == ("refund", "0.50")
    assert await value(shop, "select count(*) from sonnette.work") == 0


async def test_an_ending_after_an_sms_refunds_nothing(shop: Connection) -> None:
    bought = await buy(shop)
    for status in ("received", "pending", "timeout"):
        await set_status(shop, bought, status)
    assert await wallet_of(shop, ALICE) == ("9.50", "0.00")
    assert [kind for kind, _ in await ledger(shop)] == ["credit", "freeze", "commit"]


async def test_the_same_sms_twice_is_one(shop: Connection) -> None:
    bought = await buy(shop)
    call = "select sonnette.sms_arrived(%s, '1', 'text', null, now(), 'poll', 'same')"
    assert [await value(shop, call, bought), await value(shop, call, bought)] == ["delivered", None]
    assert await value(shop, "select count(*) from messages") == 1


async def test_an_operators_received_writes_the_message_and_charges(shop: Connection) -> None:
    bought = await buy(shop)
    await shop.execute(
        "update activations set status = 'received', sms_code = '42' where id = %s", (bought,)
    )
    found = await rows(shop, "select code, text, source from messages")
    assert found == [{"code": "42", "text": None, "source": "operator"}]
    assert await wallet_of(shop, ALICE) == ("9.50", "0.00")


async def test_the_wallet_stands_on_the_feed_before_the_status(shop: Connection) -> None:
    bought = await buy(shop)
    await set_status(shop, bought, "cancelled")
    assert [table for _, _, table in await events_of(shop, ALICE)][-2:] == [
        "wallets",
        "activations",
    ]


async def test_too_little_money_fails_the_insert_and_leaves_nothing(shop: Connection) -> None:
    with pytest.raises(psycopg.Error, match=r"not enough money: 11.00 needed, 10.00 available"):
        await make_activation(shop, ALICE, price="11")
    assert await value(shop, "select count(*) from activations") == 0
    assert await wallet_of(shop, ALICE) == ("10.00", "0.00")


async def test_several_purchases_in_one_statement_share_one_wallet_event(shop: Connection) -> None:
    await shop.execute(
        "insert into activations (user_id, provider, service_code, country_code, status, price)"
        " select %s, 'simulator', 'wa', '6', 'requested', 3 from generate_series(1, 3)",
        (ALICE,),
    )
    assert await wallet_of(shop, ALICE) == ("10.00", "9.00")
    assert [row["frozen_after"] for row in await rows(shop, LEDGER)] == [
        "0.00",
        "3.00",
        "6.00",
        "9.00",
    ]
    assert await rows(shop, DIFFERENCES) == []


async def test_deleting_a_live_activation_gives_its_money_back(shop: Connection) -> None:
    await buy(shop)
    await shop.execute("delete from activations")
    assert await wallet_of(shop, ALICE) == ("10.00", "0.00")
    assert (await ledger(shop))[-1] == ("refund", "0.50")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("status = 'completed'", "received nothing and cannot be completed"),
        ("status = 'requested'", "is pending and cannot become requested"),
        ("status = 'lost'", "cannot become lost"),
        ("price = 0", "are not set by hand"),
        ("charged = true", "are not set by hand"),
        ("frozen_amount = 0", "are not set by hand"),
        ("user_id = '00000000-0000-4000-8000-000000000009'", "cannot change hands"),
    ],
)
async def test_what_the_rules_forbid_is_refused_with_a_sentence(
    shop: Connection, change: str, sentence: str
) -> None:
    await buy(shop)
    with pytest.raises(psycopg.Error, match=sentence):
        await shop.execute(f"update activations set {change}".encode())
    assert await value(shop, "select status from activations") == "pending"


async def test_an_ending_is_an_ending(shop: Connection) -> None:
    bought = await buy(shop)
    await set_status(shop, bought, "cancelled")
    with pytest.raises(psycopg.Error, match="is cancelled and cannot become pending"):
        await set_status(shop, bought, "pending")


async def test_wallets_and_ledger_agree_after_a_storm_of_rivals(
    database: Database, shop: Connection
) -> None:
    """Purchases, codes and cancels of one user from many sessions: nothing is lost or doubled."""
    bought = [await buy(shop) for _ in range(12)]

    async def rival(number: int) -> None:
        async with await psycopg.AsyncConnection.connect(
            database.dsn(), autocommit=True
        ) as session:
            for activation in bought[number % 3 :: 3]:
                call = (
                    "select sonnette.sms_arrived(%s, '1', 't', null, now(), 'poll', 'one')"
                    if number < 3
                    else "select sonnette.end_activation(%s, 'cancelled', null)"
                )
                try:
                    await session.execute(call, (activation,))
                except psycopg.Error as error:
                    assert error.sqlstate == "SN409", error  # noqa: PT017 - a lost race, in a loop

    await asyncio.gather(*(rival(number) for number in range(6)))
    assert await rows(shop, DIFFERENCES) == []
    kinds = [kind for kind, _ in await ledger(shop)]
    assert kinds.count("freeze") == 12
    assert kinds.count("commit") + kinds.count("refund") == 12
    assert await value(shop, "select frozen from wallets") == 0


async def test_a_credit_with_a_key_happens_once(db: Connection) -> None:
    for _ in range(2):
        await db.execute("select sonnette.credit(%s, 5, 'gift', 'gift-1')", (BOB,))
    assert await wallet_of(db, BOB) == ("5.00", "0.00")
    assert await ledger(db) == [("credit", "5.00")]


async def test_a_debit_never_takes_frozen_money(shop: Connection) -> None:
    await buy(shop)
    with pytest.raises(psycopg.Error, match="not enough money"):
        await shop.execute("select sonnette.debit(%s, 10, 'fee')", (ALICE,))
    await shop.execute("select sonnette.debit(%s, 9.50, 'fee')", (ALICE,))
    assert await wallet_of(shop, ALICE) == ("0.50", "0.50")


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "null"])
async def test_an_amount_is_positive_money(db: Connection, amount: str) -> None:
    user = await make_user(db)
    with pytest.raises(psycopg.Error, match="an amount is positive"):
        await db.execute(f"select sonnette.credit('{user}', {amount}, 'x')".encode())
    assert await value(db, "select count(*) from ledger") == 0


async def test_a_batch_leaves_out_what_others_hold(database: Database, shop: Connection) -> None:
    mine, theirs = await buy(shop), await buy(shop)
    async with await psycopg.AsyncConnection.connect(database.dsn()) as other:
        await other.execute("select from activations where id = %s for update", (theirs,))
        got = await rows(shop, "select sonnette.lock_batch(%s::uuid[]) as id", [mine, theirs])
        assert [str(row["id"]) for row in got] == [mine]
    async with await psycopg.AsyncConnection.connect(database.dsn()) as other:
        await other.execute("select from wallets for update")
        assert await rows(shop, "select sonnette.lock_batch(%s::uuid[])", [mine, theirs]) == []
