"""Recovery over HTTP, by its own name and by that of the functions; the test is the poller."""

import asyncio
import json
from uuid import UUID, uuid4

import httpx
import pytest

from tests.fixtures.service import RunningService
from tests.integration.test_service_requests import ask, count_requests, done, open_request, user_of
from tests.market import Market

NOTHING = {"new_messages": 0, "completed_texts": 0, "late_messages": 0, "number": "alive"}
INVOKED = "/functions/v1/update-activation-sms"


async def recovered(shop: Market, request: int, **found: object) -> None:
    """The poller has answered it."""
    await shop.poller.execute(
        "select sonnette.request_done(%s, 'found', %s)", (request, json.dumps(NOTHING | found))
    )


async def order_of(shop: Market, activation: UUID) -> str:
    cursor = await shop.operator.execute(
        "select order_id from public.activations where id = %s", (activation,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


async def invoke(client: httpx.AsyncClient, order_id: object, wait_s: int = 0) -> httpx.Response:
    body, prefer = {"orderId": order_id}, {"Prefer": f"wait={wait_s}"}
    return await client.post(INVOKED, json=body, headers=prefer)


async def test_it_is_200_with_the_messages_and_what_was_found(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(ask(alice, activation, "recover", 30))
    request = await open_request(shop, activation)
    await shop.bring_code(activation, "246810")
    await recovered(shop, request, new_messages=1)
    answer = await asyncio.wait_for(asking, 5)
    assert answer.status_code == 200
    found = answer.json()
    assert found["found"] == NOTHING | {"new_messages": 1}
    assert (found["id"], found["status"]) == (str(activation), "received")
    assert [message["code"] for message in found["messages"]] == ["246810"]
    assert int(answer.headers["sonnette-feed-seq"]) == await shop.feed_seq(await user_of(alice))


async def test_it_is_202_while_the_provider_is_asked_and_asked_once(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    for _ in range(2):
        answer = await ask(alice, activation, "recover")
        assert (answer.status_code, answer.json()["found"]) == (202, None)
    assert await count_requests(shop, activation) == 1


@pytest.mark.parametrize("ending", ["timeout", "cancelled", "failed"])
async def test_it_is_possible_after_the_end_and_shows_no_code_unpaid(
    alice: httpx.AsyncClient, shop: Market, ending: str
) -> None:
    activation = await shop.pending(await user_of(alice))
    await shop.end(activation, ending)
    asking = asyncio.create_task(ask(alice, activation, "recover", 30))
    request = await open_request(shop, activation)
    await shop.poller.execute(
        "select sonnette.sms_arrived(%s, '246810', 'It is 246810', null, now(), 'recover', '1')",
        (activation,),
    )
    await recovered(shop, request, late_messages=1, number="over")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["messages"]) == (200, [])
    assert answer.json()["found"]["late_messages"] == 1
    assert "246810" not in answer.text
    changes = (await alice.get("/v1/changes", params={"after": 0})).text
    assert "246810" not in changes
    assert (await alice.get("/v1/me")).json()["available"] == "10.00"


async def test_a_provider_that_does_not_answer_is_409(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(ask(alice, activation, "recover", 30))
    await done(shop, await open_request(shop, activation), "unanswered")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()["code"]) == (409, "provider_error")
    assert answer.json()["activation_status"] == "pending"


async def test_without_a_number_there_is_nothing_to_recover(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.buy(await user_of(alice))
    answer = await ask(alice, activation, "recover")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_forbids")
    invoked = await invoke(alice, str(activation))
    assert (invoked.status_code, invoked.json()["success"]) == (409, False)


async def test_a_retry_with_its_key_is_answered_alike(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    headers = {"Prefer": "wait=0", "Idempotency-Key": "1"}
    first = await alice.post(f"/v1/activations/{activation}/recover", headers=headers)
    await recovered(shop, await open_request(shop, activation))
    again = await alice.post(f"/v1/activations/{activation}/recover", headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    assert await count_requests(shop, activation) == 1


async def test_the_function_takes_our_id_and_the_provider_s(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "246810")
    order = await order_of(shop, activation)
    for name in (str(activation), str(activation).upper(), order, int(order)):
        asking = asyncio.create_task(invoke(alice, name, 30))
        await recovered(shop, await open_request(shop, activation))
        answer = await asyncio.wait_for(asking, 5)
        assert answer.status_code == 200
        assert answer.json() == {
            "success": True,
            "data": {
                "status": "received",
                "sms_code": "246810",
                "sms_text": "Your code is 246810",
                "charged": True,
            },
        }


async def test_the_function_knows_no_order_of_somebody_else(
    alice: httpx.AsyncClient, shop: Market, service: RunningService
) -> None:
    activation = await shop.pending(await user_of(alice))
    order = await order_of(shop, activation)
    async with service.user(await shop.new_user()) as bob:
        for name in (str(activation), order, str(uuid4()), "no such order"):
            answer = await invoke(bob, name)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_activation")
    assert await count_requests(shop, activation) == 0


async def test_a_name_that_no_order_can_have_is_refused(alice: httpx.AsyncClient) -> None:
    for name, status in (("a\x00b", 422), ("x" * 65, 422), ("", 422), (None, 400), ([1], 400)):
        answer = await invoke(alice, name)
        assert answer.status_code == status, name
        assert answer.json()["success"] is False
        assert answer.json()["error"] == answer.json()["detail"]
