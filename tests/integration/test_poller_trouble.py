"""Providers that talk nonsense, rows that others hold, pollers and databases that go away."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import httpx
import psycopg
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from db.errors import SonnetteError
from poller.__main__ import serve_until
from poller.simulator import utc_now
from process.ports import PortInUse
from process.settings import Settings, SettingsError
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.polling import Polling, polling, ready, running, simulated
from tests.served import free_address, served


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    async with polling(database) as running_world:
        await running_world.script(never=True)
        yield running_world


LIST, STATUS, FULL_STATUS = "getActiveActivations", "getStatus", "getStatusV2"


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"http_status": 502}, "http_502"),
        ({"error": "ERROR_SQL"}, "ERROR_SQL"),
        ({"error": '{"status":"success","activeActivations":[{"act'}, "json"),
        ({"error": "Votre code est 358042"}, "text"),
    ],
)
async def test_nonsense_leaves_the_row_as_it_was_and_is_counted(
    world: Polling, fault: dict[str, object], word: str
) -> None:
    user = await world.user()
    id = await world.bought(user)
    before = await world.activation(id)
    await world.script(action=LIST, **fault)
    await world.script(action=STATUS, **fault)
    seen = await world.looked_at(id)
    assert seen["last_error"] == f"check: {word}"
    assert await world.activation(id) == before
    for action in ("check", "check_many"):
        assert await world.metric("provider_unexpected_total", action=action, word=word) >= 1
    world.provider.forget_scripts()
    world.provider.deliver(await world.number(id), "Your code is 111111", None, utc_now())
    assert (await world.becomes(id, "received"))["sms_code"] == "111111"


@pytest.mark.parametrize(
    "answer",
    [
        "NO_ACTIVATIONS",
        '{"status":"error","error":"NO_ACTIVATIONS"}',
        "[]",
        '{"status":"success","data":[]}',
        "BAD_ACTION",
        '{"status":"success","activeActivations":[{"activationId":"7","smsCode":["999999"]}]}',
    ],
)
async def test_absence_from_the_list_proves_nothing(world: Polling, answer: str) -> None:
    await world.script(action=LIST, error=answer)
    user = await world.user()
    id = await world.bought(user)
    await world.looked_at(id)
    assert (await world.activation(id))["status"] == "pending"
    world.provider.deliver(await world.number(id), "Your code is 358042", None, utc_now())
    received = await world.becomes(id, "received")
    assert (received["sms_code"], received["sms_text"]) == ("358042", None)


async def test_of_two_codes_that_came_while_the_list_failed_both_are_delivered(
    world: Polling,
) -> None:
    """A status tells the newest alone; tests/chaos found that the one before it was lost."""
    await world.script(action=LIST, error="ERROR_SQL")
    id = await world.bought(await world.user())
    number = await world.number(id)
    for code in ("111111", "222222"):
        world.provider.deliver(number, f"Your code is {code}", None, utc_now())
    assert (await world.becomes(id, "received"))["sms_code"] == "222222"
    world.provider.forget_scripts()
    await eventually(lambda: world.has_messages(id, 2), 20)
    assert sorted(str(code) for code, _ in await world.messages(id)) == ["111111", "222222"]


async def test_one_number_that_hangs_does_not_delay_the_code_of_another(world: Polling) -> None:
    await world.script(action=LIST, error="NO_ACTIVATIONS")
    await world.script(action=STATUS, service="tg", timeout_s=4, html=True)
    user = await world.user()
    hanging, other = await world.bought(user, "tg"), await world.bought(user, "wa")
    await eventually(lambda: world.provider.calls[STATUS] >= 2)
    world.provider.deliver(await world.number(other), "Your code is 358042", None, utc_now())
    await world.becomes(other, "received", timeout_s=3)
    assert (await world.activation(hanging))["status"] == "pending"


async def test_a_rate_limit_is_kept_by_the_whole_account(world: Polling) -> None:
    user = await world.user()
    await world.bought(user)
    await world.script(action=LIST, http_status=429, retry_after_s=3, times=1)
    await eventually(lambda: world.metric("provider_answers_total", answer="AccountRefused"))
    began, calls = utc_now(), world.provider.calls.copy()
    other = await world.buy(user)
    await eventually(lambda: world.provider.calls != calls)
    assert (utc_now() - began).total_seconds() > 2
    await world.becomes(other, "pending")


async def test_a_pause_that_a_failing_server_asks_for_outlasts_a_restart(
    database: Database,
) -> None:
    async with simulated(database) as (world, settings):
        await world.script(never=True)
        async with running(settings):
            user = await world.user()
            await world.bought(user)
            await world.script(action=LIST, http_status=503, retry_after_s=600, times=1)
            await eventually(lambda: is_left_alone(world))
        with pytest.raises(psycopg.Error, match="out of order just now"):
            await world.buy(user)
        calls = world.provider.calls.copy()
        async with running(settings):
            await world.becomes(await overdue(world, user), "failed")  # the fence: it is at work
        assert world.provider.calls == calls
        assert await is_left_alone(world)


async def is_left_alone(world: Polling) -> bool:
    row = await world.one(
        "select state_reason, open_until - clock_timestamp() > interval '500 s' as long"
        " from sonnette.accounts where state = 'open' union all select null, false limit 1"
    )
    return (row["state_reason"], row["long"]) == ("http_503", True)


async def overdue(world: Polling, user: UUID) -> UUID:
    """A purchase that has waited for so long that it is given up without asking anybody."""
    row = await world.one(
        """insert into public.activations
               (user_id, provider, service_code, country_code, status, price, created_at)
           values (%s, 'simulator', 'wa', '6', 'requested', 0.5, now() - interval '3 min')
           returning id""",
        user,
    )
    assert isinstance(row["id"], UUID)
    return row["id"]


async def test_a_row_that_an_operator_holds_does_not_hold_up_the_others(world: Polling) -> None:
    await world.script(delay_s=1)
    user, other_user = await world.user(), await world.user()
    held, other = await world.bought(user), await world.bought(other_user)
    async with await psycopg.AsyncConnection.connect(world.db.info.dsn) as operator:
        await operator.execute(
            "update public.activations set operator = 'x' where id = %s", (held,)
        )
        await world.becomes(other, "received")
        await eventually(lambda: world.metric("sonnette_poller_rows_held_total"))
        calls = world.provider.calls.copy()
        await eventually(lambda: held_often(world))
        assert world.provider.calls == calls, "the result is kept, not asked for again"
        assert (await world.activation(held))["status"] == "pending"
        await operator.commit()
    await world.becomes(held, "received")
    assert await world.messages(held) == [(c.code, c.text) for c in (await world.number(held)).sms]


async def held_often(world: Polling) -> bool:
    return await world.metric("sonnette_poller_rows_held_total") >= 3


async def test_a_locked_wallet_holds_up_its_own_user_alone(world: Polling) -> None:
    await world.script(delay_s=1)
    user, other_user = await world.user(), await world.user()
    held, other = await world.bought(user), await world.bought(other_user)
    async with await psycopg.AsyncConnection.connect(world.db.info.dsn) as operator:
        await operator.execute("select from public.wallets where user_id = %s for update", (user,))
        await world.becomes(other, "received")
        await eventually(lambda: world.metric("sonnette_poller_rows_held_total"))
        assert (await world.activation(held))["status"] == "pending"
    await world.becomes(held, "received")


async def test_a_wish_that_comes_while_the_provider_is_asked_is_not_overwritten(
    world: Polling,
) -> None:
    user = await world.user()
    id = await world.bought(user)
    await world.script(action=LIST, timeout_s=0.7, times=1)
    lists = world.provider.calls[LIST]
    await eventually(lambda: world.provider.calls[LIST] > lists)
    await world.ask(user, id, "cancel")
    await world.becomes(id, "cancelled", timeout_s=3)


async def test_no_code_and_no_key_stands_in_a_log_or_where_work_is_kept(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    async with polling(database) as world:
        await world.script(code="358042", delay_s=0)
        user = await world.user()
        id = await world.bought_and_received(user)
        await world.script(action=FULL_STATUS, error="Your code is 358042", times=2)
        await world.ask(user, id, "check")
        seen = await world.looked_at(id)
        metrics = (await world.web.get(f"{world.poller.url()}/metrics")).text
    ours = [r.getMessage() + str(vars(r)) for r in caplog.records if r.name.startswith("poller")]
    assert ours
    for text in (*ours, metrics, str(seen["last_error"])):
        assert "358042" not in text
        assert "api_key" not in text


async def test_a_second_poller_waits_and_takes_over(database: Database) -> None:
    async with simulated(database) as (world, settings):
        await world.script(never=True)
        other = replace(settings, poller_listen=free_address())
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            async with running(settings):
                id = await world.bought(await world.user())
                tasks.create_task(serve_until(stop, other))
                await eventually(lambda: refusal(world.web, other, "another poller holds"))
            world.provider.deliver(await world.number(id), "Your code is 1111", None, utc_now())
            await ready(world.web, other.poller_listen)
            await world.becomes(id, "received")
            stop.set()


async def refusal(web: httpx.AsyncClient, settings: Settings, words: str) -> bool:
    """Whether /readyz says no, and why."""
    try:
        answer = await web.get(f"{settings.poller_listen.url()}/readyz")
    except httpx.ConnectError:
        return False
    return answer.status_code == 503 and words in answer.text


async def test_it_outlives_the_loss_of_its_connections(world: Polling) -> None:
    id = await world.bought(await world.user())
    await world.execute(
        """select pg_terminate_backend(pid) from pg_stat_activity
           where usename = 'sonnette_poller' and datname = current_database()"""
    )
    world.provider.deliver(await world.number(id), "Your code is 358042", None, utc_now())
    await world.becomes(id, "received")
    await ready(world.web, world.poller)
    later = await world.bought(await world.user())
    assert (await world.activation(later))["status"] == "pending"


async def test_a_result_that_was_under_way_when_the_database_went_is_written_after(
    world: Polling,
) -> None:
    await world.script(timeout_s=1, times=1)
    id = await world.buy(await world.user())
    await eventually(lambda: world.provider.calls["getNumberV2"] == 1)
    await world.execute(
        """select pg_terminate_backend(pid) from pg_stat_activity
           where usename = 'sonnette_poller' and datname = current_database()"""
    )
    await world.becomes(id, "pending")
    assert world.provider.calls["getNumberV2"] == 1


async def test_at_sigterm_a_purchase_under_way_is_written_and_none_is_begun(
    database: Database,
) -> None:
    async with simulated(database) as (world, settings):
        await world.script(timeout_s=1, times=1)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve_until(stop, settings))
            await ready(world.web, settings.poller_listen)
            user = await world.user()
            id = await world.buy(user)
            await eventually(lambda: world.provider.calls["getNumberV2"] == 1)
            stop.set()
            later = await world.buy(user)
        assert (await world.activation(id))["status"] == "pending"
        assert (await world.activation(later))["status"] == "requested"
        assert world.provider.calls["getNumberV2"] == 1


async def test_a_provider_that_is_down_is_said_and_found_again(database: Database) -> None:
    async with simulated(database) as (world, settings):
        await world.script(action="getPrices", http_status=503, times=2)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve_until(stop, settings))
            await eventually(lambda: refusal(world.web, settings, "no price list yet"))
            await ready(world.web, settings.poller_listen)
            row = await world.one("select state, state_reason from sonnette.accounts")
            assert (row["state"], row["state_reason"]) == ("up", None)
            stop.set()


async def test_what_it_cannot_begin_with_is_a_sentence(database: Database) -> None:
    async with simulated(database) as (_world, settings):
        with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
            await serve_until(asyncio.Event(), replace(settings, database_url=None))
        with pytest.raises(SonnetteError, match="run `sonnette migrate`"):
            await serve_until(
                asyncio.Event(),
                replace(settings, database_url=database.server.dsn("postgres", "postgres")),
            )
        async with served(Starlette()) as taken:
            with pytest.RaisesGroup(pytest.RaisesExc(PortInUse, match="set SONNETTE_POLLER")):
                await serve_until(asyncio.Event(), replace(settings, poller_listen=taken))
