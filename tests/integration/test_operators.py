"""What operators type: ops.* tells the truth, does what it says, and writes down who did it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg.types.json import Jsonb

from db import migrate
from tests.db_helpers import Connection, rows, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.market import ACCOUNT, Market, market

CODE = "846213"
PLAIN = {
    "account", "activation", "activation_id", "age", "at", "country_code", "created_at", "dialect",
    "host", "id", "kind", "order_id", "paused_at", "phone", "pid", "price", "service_code",
    "sockets", "status", "stopped_at", "up_for", "user_id", "user_name", "users", "version",
}  # fmt: skip


@pytest_asyncio.fixture
async def shop(database: Database) -> AsyncIterator[Market]:
    async with market(database) as open_market:
        yield open_market


async def steps(operator: Connection, activation: UUID) -> list[str]:
    return [r["step"] for r in await rows(operator, "select * from ops.trace(%s)", activation)]


async def audited(operator: Connection) -> list[tuple[str, str, str]]:
    found = await rows(operator, "select who, what, about from ops.audit order by id")
    return [(r["who"], r["what"], r["about"]) for r in found]


async def test_a_trace_has_each_step_in_order_with_money_and_feed_but_no_code(shop: Market) -> None:
    user = await shop.new_user()
    activation = await shop.received(user, CODE)
    await shop.end(activation, "completed")
    found = await rows(shop.operator, "select * from ops.trace(%s)", activation)
    assert [r["step"] for r in found if r["feed_seq"]] == [
        "bought", "pending", "SMS stored", "received", "completed",
    ]  # fmt: skip
    numbers = [r["feed_seq"] for r in found if r["feed_seq"]]
    assert numbers == sorted(numbers)
    assert [r["detail"].split(" (")[0] for r in found if r["step"] == "money"] == [
        "freeze 0.50",
        "commit 0.50",
    ]
    assert CODE not in str(found)


async def test_a_trace_of_what_was_pruned_still_has_the_rest(shop: Market) -> None:
    activation = await shop.received(await shop.new_user(), CODE)
    await shop.owner.execute("delete from sonnette.changes")
    assert await steps(shop.operator, activation) == [
        "asked for", "money", "SMS at the provider", "money", "next look",
    ]  # fmt: skip


async def test_a_number_is_found_by_all_that_a_complaint_may_name(shop: Market) -> None:
    user = await shop.new_user()
    activation = await shop.pending(user)
    row = (await rows(shop.operator, "select * from activations where id = %s", activation))[0]
    for said in (activation, user, row["phone"], f"+{row['phone']}", row["order_id"]):
        found = await rows(shop.operator, "select activation from ops.find(%s)", str(said))
        assert [r["activation"] for r in found] == [activation], said
    assert await rows(shop.operator, "select * from ops.find('nobody')") == []


async def test_codes_are_shown_where_they_are_asked_for_and_that_is_written_down(
    shop: Market,
) -> None:
    user = await shop.new_user()
    activation = await shop.received(user, CODE)
    masked = await rows(shop.operator, "select * from ops.replay(%s, 0)", str(user))
    assert CODE not in str(masked)
    assert await audited(shop.operator) == []
    shown = await rows(shop.operator, "select * from ops.replay(%s, 0, codes => true)", str(user))
    assert CODE in str(shown)
    assert [r["seq"] for r in shown] == [r["seq"] for r in masked] == list(range(1, len(shown) + 1))
    sms = await rows(shop.operator, "select code, delivered from ops.sms(%s)", activation)
    assert sms == [{"code": CODE, "delivered": True}]
    me = "sonnette_operator"
    assert await audited(shop.operator) == [
        (me, "replay with codes", str(user)),
        (me, "sms", str(activation)),
    ]
    assert CODE not in str(await rows(shop.operator, "select * from ops.audit"))


async def test_a_late_code_is_seen_by_operators_alone(shop: Market) -> None:
    activation = await shop.pending(await shop.new_user())
    await shop.end(activation, "timeout")
    await shop.poller.execute(
        "select sonnette.sms_arrived(%s, %s, %s, null, now(), 'recover', 'late')",
        (activation, CODE, f"code {CODE}"),
    )
    (late,) = await rows(shop.operator, "select * from ops.late")
    assert (late["activation"], late["was"], late["has_code"]) == (activation, "timeout", True)
    assert CODE not in str(late)
    assert "late SMS" in await steps(shop.operator, activation)
    (sms,) = await rows(shop.operator, "select * from ops.sms(%s)", activation)
    assert (sms["code"], sms["delivered"]) == (CODE, False)


async def test_cancel_asks_the_provider_and_an_ended_number_is_refused(shop: Market) -> None:
    activation = await shop.pending(await shop.new_user())
    await shop.operator.execute("select ops.cancel(%s)", (activation,))
    assert await value(shop.operator, "select status from ops.live") == "cancelling"
    await shop.end(activation, "cancelled")
    await shop.poller.execute("select sonnette.request_done(id, 'done') from sonnette.requests")
    with pytest.raises(psycopg.Error, match="cancelled, and cancel is not possible then"):
        await shop.operator.execute("select ops.cancel(%s)", (activation,))
    assert [what for _, what, _ in await audited(shop.operator)] == ["cancel"]


async def test_a_credit_is_for_known_users_with_a_reason(shop: Market) -> None:
    user = await shop.new_user()
    (wallet,) = await rows(shop.operator, "select * from ops.credit(%s, 2.5, 'sorry')", str(user))
    assert str(wallet["balance"]) == "12.50"
    for who, reason, sentence in (
        (str(uuid4()), "x", "there is no user"),
        (str(user), "  ", "say why"),
    ):
        with pytest.raises(psycopg.Error, match=sentence):
            await shop.operator.execute("select ops.credit(%s, 1, %s)", (who, reason))
    assert await audited(shop.operator) == [("sonnette_operator", "credit", str(user))]


async def test_a_revocation_needs_no_known_user(shop: Market) -> None:
    stranger = uuid4()
    await shop.operator.execute("select ops.revoke(%s)", (str(stranger),))
    assert await value(shop.operator, "select user_id from sonnette.revocations") == stranger
    assert await audited(shop.operator) == [("sonnette_operator", "revoke", str(stranger))]


async def test_a_paused_account_sells_nothing_until_it_is_resumed(shop: Market) -> None:
    user = await shop.new_user()
    await shop.operator.execute("select ops.pause(%s)", (ACCOUNT,))
    assert await value(shop.operator, "select state from ops.accounts") == "paused"
    with pytest.raises(psycopg.Error, match="out of order"):
        await shop.buy(user)
    await shop.operator.execute("select ops.resume(%s)", (ACCOUNT,))
    await shop.buy(user)
    with pytest.raises(psycopg.Error, match="there is no account 'nowhere'"):
        await shop.operator.execute("select ops.pause('nowhere')")


async def test_what_is_stuck_is_named_with_each_reason(shop: Market) -> None:
    activation = await shop.pending(await shop.new_user())
    assert await rows(shop.operator, "select * from ops.stuck") == []
    await shop.owner.execute(
        "update sonnette.work set next_check_at = now() - interval '2 minutes',"
        " last_error = 'purchase unanswered: no answer yet'"
    )
    await shop.owner.execute("update activations set expires_at = now() - interval '3 minutes'")
    found = await rows(shop.operator, "select activation, why from ops.stuck")
    assert {r["activation"] for r in found} == {activation}
    assert len(found) == 3


async def test_a_user_is_explained(shop: Market) -> None:
    user = await shop.new_user()
    activation = await shop.received(user, CODE)
    found = await rows(shop.operator, "select * from ops.explain_user(%s)", str(user))
    assert [r["what"] for r in found] == ["user", "money", "feed", "number"]
    assert found[3]["activation"] == activation
    assert CODE not in str(found)


async def test_who_waits_for_whom_is_shown_without_a_value(
    database: Database, shop: Market
) -> None:
    activation = await shop.pending(await shop.new_user())
    async with await psycopg.AsyncConnection.connect(database.dsn()) as blocker:
        await blocker.execute("update activations set phone = '555' where id = %s", (activation,))
        async with await psycopg.AsyncConnection.connect(database.dsn()) as waiter:
            await waiter.execute("set lock_timeout = '20s'")
            pids = waiter.info.backend_pid, blocker.info.backend_pid
            statement = f"update activations set phone = '777' where id = '{activation}'"
            waiting = asyncio.ensure_future(waiter.execute(statement.encode()))

            async def seen() -> list[dict[str, object]]:
                return await rows(shop.operator, "select * from ops.blocked()")

            (one,) = await eventually(seen)
            await blocker.rollback()
            await waiting
    assert (one["pid"], one["blocked_by"]) == pids
    assert (one["doing"], one["by_state"]) == ("update activations set", "idle in transaction")
    assert "777" not in str(one)


async def test_the_doctor_names_what_is_wrong(shop: Market) -> None:
    async def wrong() -> dict[str, str]:
        found = await rows(shop.operator, "select * from ops.doctor() where not well")
        return {r["what"]: r["finding"] for r in found}

    assert await wrong() == {"processes": "none has ever been seen"}
    await shop.owner.execute("alter table activations disable trigger sonnette_log_update")
    await shop.owner.execute("grant update on wallets to sonnette_poller")
    await shop.owner.execute("grant execute on function sonnette.settle to public")
    await shop.owner.execute(
        "select sonnette.process_seen(%s, 'gateway', 'h', 7, '1', '{}', %s)",
        (uuid4(), Jsonb({"users": 0})),
    )
    await shop.owner.execute(
        "update sonnette.processes set seen_at = now() - interval '11 s', drain_at = now()"
    )
    await shop.new_user()
    await shop.owner.execute("update wallets set balance = 3")
    found = await wrong()
    assert found.keys() == {"triggers", "grants", "processes", "money"}
    assert "sonnette_log_update" in found["triggers"]
    assert "sonnette_poller may write wallets" in found["grants"]
    assert "everybody may call sonnette.settle" in found["grants"]
    assert "gateway 7 on h: silent" in found["processes"]
    await shop.owner.execute(
        "select sonnette.process_seen(%s, 'service', 'h', 8, '1', %s, '{}')",
        (uuid4(), ["not listening: a canary did not come back"]),
    )
    assert "service 8 on h: not listening: a canary" in (await wrong())["canary"]


async def test_everything_says_what_it_is_for(shop: Market) -> None:
    uncommented = """
        select p.proname from pg_proc p
        where p.pronamespace = 'ops'::regnamespace and obj_description(p.oid, 'pg_proc') is null
        union all
        select c.relname from pg_class c
        where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'v')
          and obj_description(c.oid, 'pg_class') is null
    """
    assert await rows(shop.owner, uncommented) == []
    columns = """
        select a.attname::text as name from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0
          and col_description(c.oid, a.attnum) is null
    """
    silent = {row["name"] for row in await rows(shop.owner, columns)}
    assert silent <= PLAIN, "a column that does not explain itself has a comment"


@pytest.mark.parametrize("role", ["sonnette_service", "sonnette_poller", "sonnette_gateway"])
async def test_it_is_for_operators_alone(database: Database, role: str) -> None:
    async with await psycopg.AsyncConnection.connect(database.dsn(role), autocommit=True) as db:
        for attempt in ("select * from ops.live", "select ops.revoke('x')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await db.execute(attempt.encode())


async def test_operators_cannot_write_their_own_audit(shop: Market) -> None:
    for attempt in (
        "select ops.note('a', 'b')",
        "delete from ops.audit",
        "insert into ops.audit (who, what, about) values ('me', 'a', 'b')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await shop.operator.execute(attempt.encode())


async def test_the_schema_is_made_anew_where_its_text_has_changed(
    database: Database, shop: Market
) -> None:
    have = (
        "select array_agg(oid::regprocedure::text order by oid::regprocedure::text)"
        " from pg_proc where pronamespace = 'ops'::regnamespace"
    )
    before = await value(shop.owner, have)
    await shop.owner.execute("drop function ops.find(text)")
    outdated = "update sonnette.repeatables set hash = 'old' where name = 'operators.sql'"
    await shop.owner.execute(outdated)
    await asyncio.to_thread(migrate.upgrade, database.dsn())
    assert await value(shop.owner, have) == before
