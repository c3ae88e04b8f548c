"""check-sms-activate-status, and what all functions have in common; the test is the poller."""

import asyncio
from uuid import UUID, uuid4

import httpx

from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service
from tests.integration.test_service_requests import count_requests, done, open_request, user_of
from tests.market import Market

CHECK = "/functions/v1/check-sms-activate-status"
FRONT_END = "http://front.example"
SENT_BY_SUPABASE_JS = "authorization, apikey, x-client-info, content-type"


async def invoke(client: httpx.AsyncClient, id: object, wait_s: int = 0) -> httpx.Response:
    body, prefer = {"activationId": str(id)}, {"Prefer": f"wait={wait_s}"}
    return await client.post(CHECK, json=body, headers=prefer)


def data(status: str, code: str | None = None) -> dict[str, object]:
    """What the function tells of a row."""
    text = None if code is None else f"Your code is {code}"
    told = {"status": status, "sms_code": code, "sms_text": text, "charged": code is not None}
    return {"success": True, "data": told}


async def test_the_provider_is_asked_and_its_code_is_the_answer(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    asking = asyncio.create_task(invoke(alice, activation, 30))
    request = await open_request(shop, activation)
    await shop.bring_code(activation, "246810")
    await done(shop, request, "received")
    answer = await asyncio.wait_for(asking, 5)
    assert (answer.status_code, answer.json()) == (200, data("received", "246810"))
    assert int(answer.headers["sonnette-feed-seq"]) == await shop.feed_seq(await user_of(alice))
    assert answer.headers["cache-control"] == "no-store"


async def test_until_the_provider_answers_it_is_202_with_what_is_known(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    for _ in range(2):
        answer = await invoke(alice, activation)
        assert (answer.status_code, answer.json()) == (202, data("pending"))
    assert await count_requests(shop, activation) == 1


async def test_what_is_over_or_has_no_number_is_answered_from_the_row(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    """A front end that polls must not see an error when its number is over."""
    user = await user_of(alice)
    ended, bought = await shop.pending(user), await shop.buy(user)
    await shop.end(ended, "timeout")
    for activation, status in ((ended, "timeout"), (bought, "requested")):
        answer = await invoke(alice, activation, 30)
        assert (answer.status_code, answer.json()) == (200, data(status))
        assert await count_requests(shop, activation) == 0


async def test_somebody_else_s_is_unknown(
    alice: httpx.AsyncClient, shop: Market, service: RunningService
) -> None:
    activation = await shop.received(await user_of(alice), "246810")
    async with service.user(await shop.new_user()) as bob:
        for id in (activation, uuid4(), "1"):
            answer = await invoke(bob, id)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_activation")
            assert "246810" not in answer.text


async def test_a_refusal_is_a_sentence_beside_the_problem_document(
    service: RunningService, alice: httpx.AsyncClient
) -> None:
    """Whoever catches supabase-js's FunctionsHttpError reads `error` of its body."""
    wrong = {"activationId": 1}
    async with service.client() as nobody:
        refusals = [
            (await nobody.post(CHECK, json={}), 401),
            (await alice.post(CHECK, json=wrong), 400),
            (await alice.post(CHECK, content=b"x" * 70_000), 413),
            (await alice.post(CHECK, json={}, params={"x": 1}), 400),
            (await alice.get(CHECK), 405),
            (await alice.post("/functions/v1/no-such-function", json={}), 404),
        ]
    for answer, status in refusals:
        assert answer.status_code == status
        problem = answer.json()
        assert (problem["success"], problem["error"]) == (False, problem["detail"])
        assert problem["status"] == status
    assert "success" not in (await alice.get("/v1/nothing")).json()


async def test_the_same_key_is_answered_alike(alice: httpx.AsyncClient, shop: Market) -> None:
    activation = await shop.pending(await user_of(alice))
    headers = {"Prefer": "wait=0", "Idempotency-Key": "1"}
    body = {"activationId": str(activation)}
    first = await alice.post(CHECK, json=body, headers=headers)
    again = await alice.post(CHECK, json=body, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.content == first.content
    other = await alice.post(CHECK, json={"activationId": str(uuid4())}, headers=headers)
    assert (other.status_code, other.json()["error"]) == (422, other.json()["detail"])


async def test_a_page_of_another_origin_may_send_what_supabase_js_sends(
    database: Database, shop: Market
) -> None:
    preflight = {
        "Origin": FRONT_END,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": SENT_BY_SUPABASE_JS,
    }
    async with (
        running_service(database, cors_origins=(FRONT_END,)) as running,
        running.user(await shop.new_user()) as client,
    ):
        answer = await client.options(CHECK, headers=preflight)
        assert answer.status_code == 200
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert all(name in allowed for name in SENT_BY_SUPABASE_JS.split(", "))
        got = await client.post(CHECK, json={}, headers={"Origin": FRONT_END})
        assert got.headers["access-control-allow-origin"] == FRONT_END


async def test_an_id_may_be_written_in_capitals(alice: httpx.AsyncClient, shop: Market) -> None:
    activation: UUID = await shop.received(await user_of(alice), "246810")
    answer = await invoke(alice, str(activation).upper())
    assert answer.status_code == 202
