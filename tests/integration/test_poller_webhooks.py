"""Webhooks all the way: a provider posts, the service stores, the poller confirms, a user is told.

Service, poller and provider are real; the provider's list and status are out of order, so that
nothing but the webhook tells of an SMS.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest_asyncio
from psycopg.rows import DictRow

from poller.hints import MAX_TRIES
from poller.simulated import Delivery, Number
from poller.simulator import utc_now
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service
from tests.polling import Polling, running, simulated

SECRET = "an-unguessable-path-of-32-letters"
PATH = f"/webhooks/simulator/{SECRET}"
CODE, TEXT = "358042", "Your code is 358042"


@dataclass(frozen=True)
class Hooked:
    """A world in which the provider sends webhooks."""

    world: Polling
    service: RunningService

    async def number(self) -> tuple[UUID, UUID, Number]:
        """A user, a number that waits and about which only a webhook can tell, and its side."""
        await self.world.script(never=True)
        user = await self.world.user()
        id = await self.world.bought(user)
        for action in ("getActiveActivations", "getStatus"):
            await self.world.script(action=action, error="ERROR_SQL")
        await self.world.looked_at(id)
        return user, id, await self.world.number(id)

    async def post(self, number: Number, code: str | None = CODE, text: str | None = TEXT) -> None:
        """What a provider posts, or whoever knows the secret."""
        told = {"activationId": int(number.id), "service": "wa", "country": 6, "code": code}
        told |= {"text": text, "receivedAt": "2026-01-01 12:00:00"}
        async with self.service.client() as client:
            answer = await client.post(PATH, json=told)
            assert answer.status_code == httpx.codes.OK, answer.text

    async def closed(self) -> list[DictRow]:
        """All that was stored, once nothing is open."""

        async def rows() -> list[DictRow]:
            cursor = await self.world.db.execute("select * from sonnette.inbox order by id")
            found = await cursor.fetchall()
            return [] if any(row["done_at"] is None for row in found) else found

        return await eventually(rows)

    async def tried(self, times: int) -> DictRow:
        """The webhook, once it was tried that often in vain."""

        async def row() -> DictRow:
            found = await self.world.one("select * from sonnette.inbox")
            return found if found["tries"] >= times else {}

        return await eventually(row)


@pytest_asyncio.fixture
async def hooked(database: Database) -> AsyncIterator[Hooked]:
    async with (
        simulated(database) as (world, settings),
        running(settings, webhook_secret=SECRET),
        running_service(database) as service,
    ):
        yield Hooked(world, service)


async def test_a_webhook_brings_its_code_and_the_money_is_taken_once(hooked: Hooked) -> None:
    user, id, number = await hooked.number()
    url = hooked.service.address.url() + PATH
    world = hooked.world
    answer = await world.web.post(f"{world.simulator.url()}/sim/webhook", json={"url": url})
    assert answer.status_code == httpx.codes.NO_CONTENT, answer.text
    delivered = await world.web.post(
        f"{world.simulator.url()}/sim/numbers/{number.id}/sms", json={"text": TEXT}
    )
    assert delivered.status_code == httpx.codes.CREATED
    received = await world.becomes(id, "received")
    assert (received["sms_code"], received["sms_text"]) == (CODE, TEXT)
    message = await world.one("select source from public.messages where activation_id = %s", id)
    assert message["source"] == "webhook"
    [row] = await hooked.closed()
    assert row["outcome"] == "confirmed"
    assert await world.wallet(user) == ("9.50", "0.00")


async def test_many_deliveries_are_one_message(hooked: Hooked) -> None:
    user, id, number = await hooked.number()
    hooked.world.provider.deliver(number, TEXT, None, utc_now())
    async with asyncio.TaskGroup() as posts:
        for text in (TEXT, TEXT, None, TEXT, "another text of the same"):
            posts.create_task(hooked.post(number, CODE, text))
    assert [row["outcome"] for row in await hooked.closed()] == ["confirmed"] * 3
    assert await hooked.world.messages(id) == [(CODE, TEXT)]
    assert await hooked.world.wallet(user) == ("9.50", "0.00")


async def test_fault_14_a_forged_code_charges_nobody(hooked: Hooked) -> None:
    """Whoever knows the secret can post what they like; the provider has the last word."""
    user, id, number = await hooked.number()
    await hooked.post(number, "000000", "Your code is 000000")
    await hooked.tried(2)
    await hooked.world.execute(
        "update sonnette.inbox set tries = %s, next_try_at = now()", MAX_TRIES - 1
    )
    await hooked.world.execute("select pg_notify('sonnette_work', '*')")
    [row] = await hooked.closed()
    assert (row["outcome"], row["tries"]) == ("unconfirmed", MAX_TRIES)
    assert (await hooked.world.activation(id))["status"] == "pending"
    assert await hooked.world.messages(id) == []
    assert await hooked.world.wallet(user) == ("10.00", "0.50")


async def test_a_forged_code_among_true_ones_is_not_delivered(hooked: Hooked) -> None:
    user, id, number = await hooked.number()
    hooked.world.provider.deliver(number, TEXT, None, utc_now())
    await hooked.post(number, "000000", "Your code is 000000")
    received = await hooked.world.becomes(id, "received")
    assert received["sms_code"] == CODE
    assert await hooked.world.messages(id) == [(CODE, TEXT)]
    assert await hooked.world.wallet(user) == ("9.50", "0.00")


async def test_what_the_provider_confirms_later_is_delivered_then(hooked: Hooked) -> None:
    _, id, number = await hooked.number()
    await hooked.post(number)
    await hooked.tried(1)
    hooked.world.provider.deliver(number, TEXT, None, utc_now())
    await hooked.world.becomes(id, "received")
    [row] = await hooked.closed()
    assert row["outcome"] == "confirmed"


async def test_a_provider_that_is_away_is_asked_again(hooked: Hooked) -> None:
    user, id, number = await hooked.number()
    hooked.world.provider.deliver(number, TEXT, None, utc_now())
    await hooked.world.script(action="getStatusV2", http_status=502, times=1)
    await hooked.post(number)
    await hooked.world.becomes(id, "received")
    assert (await hooked.closed())[0]["tries"] == 2
    assert await hooked.world.wallet(user) == ("9.50", "0.00")


async def test_a_webhook_after_the_money_went_back_shows_no_code(hooked: Hooked) -> None:
    user, id, number = await hooked.number()
    hooked.world.provider.forget_scripts()
    await hooked.world.expire(id)
    await hooked.world.becomes(id, "timeout")
    number.state = "active"  # a provider that goes back on its word
    number.sms.append(Delivery(utc_now(), CODE, TEXT))
    await hooked.post(number)
    [row] = await hooked.closed()
    assert row["outcome"] == "confirmed"
    late = await hooked.world.one("select code, source, status from sonnette.late_messages")
    assert late == {"code": CODE, "source": "webhook", "status": "timeout"}
    assert await hooked.world.messages(id) == []
    assert await hooked.world.wallet(user) == ("10.00", "0.00")


async def test_forged_webhooks_without_end_keep_no_cancel_waiting(hooked: Hooked) -> None:
    user, id, number = await hooked.number()
    hooked.world.provider.forget_scripts()
    asked = hooked.world.provider.calls["getStatusV2"]
    for forged in range(30):
        await hooked.post(number, f"{forged:06}", None)
    await hooked.world.ask(user, id, "cancel")
    await hooked.world.becomes(id, "cancelled")
    assert await hooked.world.wallet(user) == ("10.00", "0.00")
    stored = await hooked.world.one(
        """select count(*) filter (where done_at is null) as waiting,
                  count(*) filter (where outcome = 'too_many') as too_many from sonnette.inbox"""
    )
    assert stored == {"waiting": 20, "too_many": 10}
    assert hooked.world.provider.calls["getStatusV2"] - asked < 30


async def test_an_order_that_no_purchase_brings_is_closed_as_unknown(hooked: Hooked) -> None:
    await hooked.world.execute(
        """insert into sonnette.inbox (account, order_id, body, dedupe_key, received_at)
           values ('simulator', '1', '{}', 'old', now() - interval '1 hour')"""
    )
    await hooked.world.execute("select sonnette.hints_unknown('simulator')")
    assert (await hooked.closed())[0]["outcome"] == "unknown"


async def test_the_poller_tells_the_database_no_secret(hooked: Hooked) -> None:
    account = await hooked.world.one("select a::text as whole from sonnette.accounts a")
    assert SECRET not in str(account["whole"])
    told = await hooked.world.one("select webhook_secret_sha256 as digest from sonnette.accounts")
    assert len(told["digest"]) == 32
