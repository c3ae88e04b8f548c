"""Check, cancel and finish over HTTP; the test does the poller's part."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from tests.facts import eventually
from tests.market import Connection, Market


async def ask(
    client: httpx.AsyncClient, activation: UUID, verb: str, wait_s: int = 0
) -> httpx.Response:
    return await client.post(
        f"/v1/activations/{activation}/{verb}", headers={"Prefer": f"wait={wait_s}"}
    )


async def user_of(client: httpx.AsyncClient) -> UUID:
    return UUID((await client.get("/v1/me")).json()["user_id"])


async def open_request(shop: Market, activation: UUID) -> int:
    """The id of the request that the poller would see, once it is there."""

    async def find() -> int | None:
        cursor = await shop.operator.execute(
            "select id from sonnette.requests where activation_id = %s and done_at is null",
            (activation,),
        )
        row = await cursor.fetchone()
        return row[0] if row else None

    found = await eventually(find)
    assert found is not None
    return found


async def count_requests(shop: Market, activation: UUID) -> int:
    cursor = await shop.operator.execute(
        "select count(*) from sonnette.requests where activation_id = %s", (activation,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def done(shop: Market, request: int, word: str = "pending") -> None:
    await shop.poller.execute("select sonnette.request_done(%s, %s)", (request, word))


async def end(shop: Market, activation: UUID, status: str) -> None:
    await shop.poller.execute("select sonnette.end_activation(%s, %s, null)", (activation, status))


async def wallet(client: httpx.AsyncClient) -> tuple[str, str, str]:
    me = (await client.get("/v1/me")).json()
    return me["balance"], me["frozen"], me["available"]


async def test_a_check_is_200_once_the_provider_has_answered(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(ask(alice, activation, "check", 30))
    request = await open_request(shop, activation)
    await shop.bring_code(activation, "246810")
    await done(shop, request, "received")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["sms_code"]) == (200, "246810")
    assert int(answer.headers["sonnette-feed-seq"]) == await shop.feed_seq(await user_of(alice))


async def test_a_check_without_an_answer_is_202_and_asked_once(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    first, second = await ask(alice, activation, "check"), await ask(alice, activation, "check")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["location"] == f"/v1/activations/{activation}"
    assert first.json()["status"] == "pending"
    assert await count_requests(shop, activation) == 1


async def test_a_second_check_within_three_seconds_is_answered_from_the_row(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    await ask(alice, activation, "check")
    await done(shop, await open_request(shop, activation))
    again = await ask(alice, activation, "check")
    assert (again.status_code, again.json()["status"]) == (200, "pending")
    assert await count_requests(shop, activation) == 1


@pytest.mark.parametrize("earlier", ["3 s", "-1 hour"])
async def test_a_check_after_three_seconds_asks_again(
    alice: httpx.AsyncClient, shop: Market, db: Connection, earlier: str
) -> None:
    """So does one whose answer is still to come, by a clock that was set back."""
    activation = await shop.pending(await user_of(alice))
    await ask(alice, activation, "check")
    await done(shop, await open_request(shop, activation))
    await db.execute("update sonnette.requests set at = at - %s::interval", (earlier,))
    assert (await ask(alice, activation, "check")).status_code == 202
    assert await count_requests(shop, activation) == 2


async def test_a_check_of_what_is_over_is_409(alice: httpx.AsyncClient, shop: Market) -> None:
    activation = await shop.pending(await user_of(alice))
    await end(shop, activation, "timeout")
    answer = await ask(alice, activation, "check")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_forbids")
    assert answer.json()["activation_status"] == "timeout"


async def test_a_cancel_is_202_while_the_provider_is_asked(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    for _ in range(2):
        answer = await ask(alice, activation, "cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    assert await wallet(alice) == ("10.00", "0.50", "9.50")
    assert await count_requests(shop, activation) == 1


async def test_a_cancel_is_200_with_the_ending_and_the_money_is_back(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(ask(alice, activation, "cancel", 30))
    await open_request(shop, activation)
    await end(shop, activation, "cancelled")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["frozen_amount"] == "0.00"
    assert int(answer.headers["sonnette-feed-seq"]) == await shop.feed_seq(await user_of(alice))
    assert await wallet(alice) == ("10.00", "0.00", "10.00")


async def test_a_refused_cancel_is_409_and_the_number_is_still_pending(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(ask(alice, activation, "cancel", 30))
    await open_request(shop, activation)
    later = datetime.now(UTC) + timedelta(seconds=90)
    await shop.poller.execute(
        "select sonnette.cancel_refused(%s, 'cancel_too_early', %s)", (activation, later)
    )
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["code"]) == (409, "cancel_refused")
    assert answer.json()["activation_status"] == "pending"
    assert datetime.fromisoformat(answer.json()["cancel_after"]) == later
    assert 80 <= int(answer.headers["retry-after"]) <= 90
    assert "sonnette-feed-seq" in answer.headers
    assert await wallet(alice) == ("10.00", "0.50", "9.50")


async def test_a_cancel_that_meets_the_code_is_409_received(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(ask(alice, activation, "cancel", 30))
    await open_request(shop, activation)
    await shop.bring_code(activation, "112233")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["activation_status"]) == (409, "received")
    assert "112233" not in answer.text
    assert await wallet(alice) == ("9.50", "0.00", "9.50")


async def test_a_cancel_too_early_is_409_and_the_provider_is_not_asked(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    later = datetime.now(UTC) + timedelta(seconds=100)
    await shop.operator.execute(
        "update public.activations set cancel_after = %s where id = %s", (later, activation)
    )
    answer = await ask(alice, activation, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_early")
    assert datetime.fromisoformat(answer.json()["cancel_after"]) == later
    assert answer.json()["cancel_after"].endswith("Z")
    assert 90 <= int(answer.headers["retry-after"]) <= 100
    assert await count_requests(shop, activation) == 0
    assert (await alice.get(f"/v1/activations/{activation}")).json()["status"] == "pending"


async def test_a_cancel_of_what_an_operator_cancels_waits_for_the_same_ending(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    await shop.operator.execute(
        "update public.activations set status = 'cancelling' where id = %s", (activation,)
    )
    assert (await ask(alice, activation, "cancel")).status_code == 202
    await end(shop, activation, "cancelled")
    answer = await ask(alice, activation, "cancel")
    assert (answer.status_code, answer.json()["activation_status"]) == (409, "cancelled")


async def test_a_paid_number_is_not_cancelled(alice: httpx.AsyncClient, shop: Market) -> None:
    activation = await shop.received(await user_of(alice), "998877")
    answer = await ask(alice, activation, "cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_forbids")


async def test_a_finish_is_200_when_it_is_completed(alice: httpx.AsyncClient, shop: Market) -> None:
    activation = await shop.received(await user_of(alice), "998877")
    asking = asyncio.create_task(ask(alice, activation, "finish", 30))
    await open_request(shop, activation)
    await end(shop, activation, "completed")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert await wallet(alice) == ("9.50", "0.00", "9.50")


async def test_a_finish_is_202_while_the_provider_is_told(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "998877")
    answer = await ask(alice, activation, "finish")
    assert (answer.status_code, answer.json()["status"]) == (202, "received")


async def test_a_refused_finish_is_409_and_the_number_is_still_there(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "998877")
    asking = asyncio.create_task(ask(alice, activation, "finish", 30))
    await done(shop, await open_request(shop, activation), "refused")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["code"]) == (409, "provider_error")
    assert answer.json()["activation_status"] == "received"


async def test_a_number_without_a_code_is_not_finished(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    answer = await ask(alice, activation, "finish")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_forbids")


async def test_what_rings_while_the_listener_is_away_is_still_heard(
    alice: httpx.AsyncClient, shop: Market, db: Connection
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(ask(alice, activation, "cancel", 30))
    await open_request(shop, activation)
    await db.execute(
        """select pg_terminate_backend(pid) from pg_stat_activity
           where application_name = 'sonnette service listener' and datname = current_database()"""
    )
    await end(shop, activation, "cancelled")
    answer = await asyncio.wait_for(asking, 10)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def test_another_is_200_when_the_provider_has_agreed(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "998877")
    asking = asyncio.create_task(ask(alice, activation, "another", 30))
    await done(shop, await open_request(shop, activation), "pending")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert answer.json()["charged"]
    assert int(answer.headers["sonnette-feed-seq"]) == await shop.feed_seq(await user_of(alice))


async def test_another_is_202_while_the_provider_is_asked_and_asked_once(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "998877")
    for _ in range(2):
        answer = await ask(alice, activation, "another")
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert await count_requests(shop, activation) == 1


async def test_a_refused_another_is_409_and_the_row_is_received_again(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "998877")
    asking = asyncio.create_task(ask(alice, activation, "another", 30))
    request = await open_request(shop, activation)
    await shop.poller.execute(
        "select sonnette.another_refused(%s, 'another_refused')", (activation,)
    )
    await done(shop, request, "refused")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["code"]) == (409, "another_refused")
    assert answer.json()["activation_status"] == "received"
    assert "998877" not in answer.text
    messages = (await alice.get(f"/v1/activations/{activation}")).json()["messages"]
    assert [message["code"] for message in messages] == ["998877"]
    assert await wallet(alice) == ("9.50", "0.00", "9.50")


async def test_another_needs_a_code_that_came_before(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    answer = await ask(alice, activation, "another")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_forbids")
    assert await count_requests(shop, activation) == 0
