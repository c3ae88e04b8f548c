"""Wallet, ledger and activations agree at every commit, whatever comes in between what.

Three sessions with open transactions, interleaved step by step as hypothesis likes, and a storm of
eight that truly run at once. A fourth session looks: at no time may sonnette.money_differences have
a row, a code be shown that is not paid for, or a received activation have no message.
"""

import asyncio
import random
from typing import Any
from uuid import UUID, uuid4

import psycopg
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import TupleRow

from tests.fixtures.postgres import Database

STATUSES = (
    *("requested", "pending", "received", "completed"),
    *("cancelling", "cancelled", "timeout", "failed"),
)
SOURCES = ("poller", "webhook", "recovery")
# What a rule of ours, or another session's lock, may answer with; nothing else.
EXPECTED = ("SN402", "SN404", "SN409", "SN422", "55P03", "40P01", "40001")
WRONG = """
    select 'money', user_id::text, difference from sonnette.money_differences
    union all
    select 'a code that is not paid for', m.user_id::text, m.activation_id::text
    from messages m join activations a on a.id = m.activation_id where not a.charged
    union all
    select 'received without a message', a.user_id::text, a.id::text
    from activations a
    where a.status = 'received' and not exists (select from messages m where m.activation_id = a.id)
    union all
    select 'overdrawn', user_id::text, balance::text from wallets where frozen > balance
"""
SESSIONS = st.integers(0, 2)
ACTS = Bundle("acts")
OFFER = """
    insert into sonnette.accounts (name, dialect) values ('simulator', 'sms-activate');
    insert into sonnette.offers (account, service_code, country_code, provider_price, price, stock)
    values ('simulator', 'wa', '6', 0.5, 0.5, 1000)
"""


def operation(kind: str, id: UUID, user: UUID, chance: random.Random) -> tuple[str, str, Any]:
    """Role, statement and parameters of something that happens to an activation."""
    order = str(id.int % 10**9)
    match kind:
        case "number":
            text = "select sonnette.number_bought(%s, %s, '6281', null, null, null)"
            return "sonnette_poller", text, (id, order)
        case "sms":
            key, source = chance.choice("abc"), chance.choice(SOURCES)
            text = "select sonnette.sms_arrived(%s, %s, 'text', null, now(), %s, %s)"
            return "sonnette_poller", text, (id, key, source, key)
        case "end":
            text = "select sonnette.end_activation(%s, %s, null)"
            return "sonnette_poller", text, (id, chance.choice(STATUSES))
        case "failed":
            return "sonnette_poller", "select sonnette.purchase_failed(%s, 'no_numbers')", (id,)
        case "kept":
            return "sonnette_poller", "select sonnette.cancel_refused(%s, 'no', null)", (id,)
        case "ask":
            wish = chance.choice(("check", "cancel", "finish", "another", "recover"))
            return "sonnette_service", "select sonnette.ask(%s, %s, %s)", (user, id, wish)
        case "operator":
            text = "update activations set status = %s, sms_code = %s where id = %s"
            return "sonnette_operator", text, (chance.choice(STATUSES), chance.choice("xyz"), id)
        case "delete":
            return "sonnette_operator", "delete from activations where id = %s", (id,)
        case _:
            raise AssertionError(kind)


KINDS = ("number", "sms", "end", "failed", "kept", "ask", "operator", "delete")
OFTEN = (*KINDS, "number", "number", "sms", "sms", "ask", "operator")
BUY = "select (sonnette.buy(%s, 'wa', '6')).id"


class Interleaved(RuleBasedStateMachine):
    """What each session does next, and when it commits, is hypothesis' choice."""

    dsn: str

    def __init__(self) -> None:
        super().__init__()
        self.sessions = [psycopg.connect(self.dsn) for _ in range(3)]
        self.observer = psycopg.connect(self.dsn, autocommit=True)
        self.observer.execute("set lock_timeout = '20ms'")
        self.user = uuid4()
        self.observer.execute("select sonnette.credit(%s, 1.50, 'a test')", (self.user,))

    @initialize(target=ACTS)
    def first(self) -> UUID:
        return self._bought()

    @rule(target=ACTS)
    def buy(self) -> UUID:
        """Committed at once, or every other session would have nothing to deal with."""
        return self._bought()

    def _bought(self) -> UUID:
        try:
            row = self.observer.execute(BUY, (self.user,)).fetchone()
        except psycopg.Error as error:
            assert error.sqlstate in ("SN402", "55P03"), error  # noqa: PT017
            return uuid4()
        assert row is not None
        return UUID(str(row[0]))

    @rule(session=SESSIONS, act=ACTS, kind=st.sampled_from(OFTEN), seed=st.integers(0, 999))
    def happens(self, session: int, act: UUID, kind: str, seed: int) -> None:
        self._do(session, *operation(kind, act, self.user, random.Random(seed)))

    @rule(session=SESSIONS, act=consumes(ACTS))
    def deleted(self, session: int, act: UUID) -> None:
        self._do(session, *operation("delete", act, self.user, random.Random(0)))

    @rule(session=SESSIONS, cents=st.integers(1, 60), verb=st.sampled_from(("credit", "debit")))
    def corrected(self, session: int, cents: int, verb: str) -> None:
        text = f"select sonnette.{verb}(%s, %s / 100.0, 'a test')"
        self._do(session, "sonnette_operator", text, (self.user, cents))

    @rule(session=SESSIONS)
    def commit(self, session: int) -> None:
        self._guarded(session, "commit")

    @rule(session=SESSIONS)
    def rollback(self, session: int) -> None:
        self.sessions[session].rollback()

    @invariant()
    def everything_agrees(self) -> None:
        assert self.observer.execute(WRONG).fetchall() == []

    def teardown(self) -> None:
        for number in range(len(self.sessions)):
            self._guarded(number, "commit")
            self.sessions[number].close()
        wrong = self.observer.execute(WRONG).fetchall()
        self.observer.close()
        assert wrong == []

    def _do(self, session: int, role: str, text: str, values: Any) -> None:
        # One thread plays them all: who would wait for another gives up at once.
        self._guarded(session, f"set local role {role}; set local lock_timeout = '20ms'")
        self._guarded(session, text, values)

    def _guarded(self, session: int, text: str, values: Any = None) -> None:
        connection = self.sessions[session]
        try:
            connection.execute(text.encode(), values)
        except psycopg.Error as error:
            connection.rollback()
            assert error.sqlstate in EXPECTED, error  # noqa: PT017


def test_everything_agrees_however_transactions_interleave(module_database: Database) -> None:
    with psycopg.connect(module_database.dsn(), autocommit=True) as db:
        db.execute(OFFER)
    machine = type("Machine", (Interleaved,), {"dsn": module_database.dsn()})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=40, deadline=None)
    )


SEED = 25
STORMERS, STEPS = 8, 60


async def test_everything_agrees_in_a_storm_of_sessions(database: Database) -> None:
    """Deadlocks and lost races are allowed; a difference that anybody can see is not."""
    async with await psycopg.AsyncConnection.connect(database.dsn(), autocommit=True) as db:
        await db.execute(OFFER)
        users = [uuid4() for _ in range(3)]
        for user in users:
            await db.execute("select sonnette.credit(%s, 20, 'a test')", (user,))
        acts: list[tuple[UUID, UUID]] = []
        for number in range(30):
            row = await (await db.execute(BUY, (users[number % 3],))).fetchone()
            assert row is not None
            acts.append((row[0], users[number % 3]))

        over = asyncio.Event()
        watching = asyncio.create_task(_watch(database.dsn(), over))
        refused = await asyncio.gather(
            *(_storm(database.dsn(), acts, random.Random(SEED + n)) for n in range(STORMERS))
        )
        over.set()
        looks = await watching
        assert looks >= 3
        assert sum(refused) < STORMERS * STEPS, "something has to succeed"
        assert await (await db.execute(WRONG)).fetchall() == []
        doubled = await db.execute(
            """select activation_id from ledger where activation_id is not null
               group by activation_id
               having count(*) filter (where kind = 'freeze') > 1
                   or count(*) filter (where kind in ('commit', 'refund')) > 1"""
        )
        assert await doubled.fetchall() == []


async def _storm(dsn: str, acts: list[tuple[UUID, UUID]], chance: random.Random) -> int:
    """Sixty transactions of one to three things; how many were refused."""
    refused = 0
    async with await psycopg.AsyncConnection.connect(dsn) as session:
        for _ in range(STEPS):
            try:
                for _ in range(chance.randint(1, 3)):
                    await _one(session, acts, chance)
                await session.commit()
            except psycopg.Error as error:
                await session.rollback()
                assert error.sqlstate in EXPECTED, error  # noqa: PT017
                refused += 1
    return refused


async def _one(
    session: psycopg.AsyncConnection[TupleRow],
    acts: list[tuple[UUID, UUID]],
    chance: random.Random,
) -> None:
    id, user = chance.choice(acts)
    kind = chance.choice([kind for kind in OFTEN if kind != "delete" or chance.random() < 0.2])
    role, text, values = operation(kind, id, user, chance)
    await session.execute(f"set local role {role}".encode())
    await session.execute(text.encode(), values)


async def _watch(dsn: str, over: asyncio.Event) -> int:
    looks = 0
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as observer:
        while not over.is_set():
            assert await (await observer.execute(WRONG)).fetchall() == []
            looks += 1
    return looks
