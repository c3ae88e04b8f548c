"""What every request passes: its id, cross-origin rules, and the rates of users and addresses."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service
from tests.market import COUNTRY, SERVICE, Market
from tests.outage import away
from tests.service_process import service_process

ORIGIN = "https://app.example"
NUMBER = {"service_code": SERVICE, "country_code": COUNTRY}


@pytest.mark.parametrize("given", ["my-request/1", "x" * 128, "two words"])
async def test_a_sane_request_id_is_echoed(alice: httpx.AsyncClient, given: str) -> None:
    headers = {"X-Request-Id": given}
    answer = await alice.get("/v1/me", headers=headers)
    assert answer.headers["x-request-id"] == given
    refused = await alice.get("/v1/nothing", headers=headers)
    assert refused.headers["x-request-id"] == refused.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a\tb", "caf\u00e9", None])
async def test_else_one_is_made(alice: httpx.AsyncClient, given: str | None) -> None:
    headers = {} if given is None else {b"X-Request-Id": given.encode()}
    made = [(await alice.get("/v1/me", headers=headers)).headers["x-request-id"] for _ in "12"]
    assert all(re.fullmatch(r"[0-9a-f]{32}", request_id) for request_id in made)
    assert made[0] != made[1]


async def test_two_ids_are_none(alice: httpx.AsyncClient) -> None:
    answer = await alice.get("/v1/me", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("GET /nothing", 404),
        ("GET /v1/activations/", 404),
        ("DELETE /v1/me", 405),
        ("PATCH /openapi.json", 405),
        ("POST /livez", 405),
        ("TRACE /v1/me", 405),
        ("POST /v1/activations", 415),
        ("GET /v1/offers?limit=0", 422),
        ("GET /v1/me?unknown=1", 400),
        ("GET /v1/activations?status=%ff", 422),
        ("GET /%00", 404),
    ],
)
async def test_every_refusal_is_a_problem_document_that_names_the_request(
    alice: httpx.AsyncClient, call: str, status: int
) -> None:
    method, _, path = call.partition(" ")
    answer = await alice.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= said.keys()
    assert said["request_id"] == answer.headers["x-request-id"]
    assert said["status"] == status


async def test_each_log_line_of_a_request_has_its_id(
    database: Database, shop: Market, tmp_path: Path
) -> None:
    user = await shop.new_user()
    dsn = database.dsn("sonnette_service")
    async with service_process(dsn, tmp_path / "log") as service, service.user(user) as client:
        async with away(database):
            headers = {"X-Request-Id": "find me"}
            assert (await client.get("/v1/me", headers=headers)).status_code == 503
        lines = [json.loads(line) for line in service.logged().splitlines()]
    [failed] = [line for line in lines if line.get("route") == "/v1/me"]
    assert failed["request_id"] == "find me"
    assert not [line for line in lines if line["event"] == "listening" and "request_id" in line]


async def preflight(client: httpx.AsyncClient, headers: str, origin: str) -> httpx.Response:
    return await client.options(
        "/v1/activations",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers,
        },
    )


async def test_a_page_of_a_named_origin_may_send_and_read_what_it_needs(
    database: Database, shop: Market
) -> None:
    user = await shop.new_user()
    ours = "authorization,content-type,idempotency-key,last-event-id,prefer,x-request-id"
    async with (
        running_service(database, cors_origins=(ORIGIN,)) as running,
        running.user(user) as client,
    ):
        allowed = await preflight(client, ours, ORIGIN)
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        answer = await client.post(
            "/v1/activations",
            json=NUMBER,
            headers={"Origin": ORIGIN, "Prefer": "wait=0", "Idempotency-Key": "one"},
        )
        assert answer.status_code == 202
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
        assert {
            "sonnette-feed-seq", "location", "retry-after", "idempotency-replayed", "x-request-id",
        } <= set(exposed)  # fmt: skip
        refused = await client.get("/v1/nothing", headers={"Origin": ORIGIN})
        assert refused.headers["access-control-allow-origin"] == ORIGIN


async def test_other_origins_and_headers_are_refused_in_a_problem_document(
    database: Database, shop: Market
) -> None:
    async with (
        running_service(database, cors_origins=(ORIGIN,)) as running,
        running.client() as client,
    ):
        for headers, origin in (("authorization", "https://evil.example"), ("x-evil", ORIGIN)):
            answer = await preflight(client, headers, origin)
            assert (answer.status_code, answer.json()["code"]) == (400, "cross_origin_refused")


async def test_without_the_setting_there_is_nothing_cross_origin(
    service: RunningService, alice: httpx.AsyncClient
) -> None:
    assert (await preflight(alice, "authorization", ORIGIN)).status_code == 405
    answer = await alice.get("/v1/me", headers={"Origin": ORIGIN})
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_user_over_the_rate_is_429_and_another_is_not(
    database: Database, shop: Market
) -> None:
    alice, bob = await shop.new_user(), await shop.new_user()
    async with (
        running_service(database, user_requests_per_s=1) as running,
        running.user(alice) as hasty,
        running.user(bob) as calm,
    ):
        answers = [await hasty.get("/v1/me") for _ in range(12)]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["code"] == "too_many_requests"
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert (await calm.get("/v1/me")).status_code == 200
        metrics = (await calm.get("/metrics")).text
        assert 'sonnette_service_refused_total{limit="user"}' in metrics


async def test_an_address_over_the_rate_is_429_whoever_asks_and_probes_are_not(
    database: Database, shop: Market
) -> None:
    async with (
        running_service(database, address_requests_per_s=1) as running,
        running.client() as client,
    ):
        answers = await asyncio.gather(*(client.get("/v1/me") for _ in range(12)))
        assert {answer.status_code for answer in answers} == {401, 429}
        assert (await client.get("/nothing")).status_code == 429
        for probe in ("/livez", "/readyz", "/metrics"):
            for _ in range(10):
                assert (await client.get(probe)).status_code == 200


async def test_behind_a_proxy_each_of_its_clients_has_an_allowance_of_its_own(
    database: Database, shop: Market
) -> None:
    async def answers(client: httpx.AsyncClient, forwarded: str) -> set[int]:
        headers = {"X-Forwarded-For": forwarded}
        return {(await client.get("/v1/me", headers=headers)).status_code for _ in range(8)}

    async with (
        running_service(database, address_requests_per_s=1) as running,
        running.client() as client,
    ):
        assert await answers(client, "192.0.2.1") == {401, 429}
        assert await answers(client, "203.0.113.7, 192.0.2.1") == {429}, "what it says itself"
        assert 401 in await answers(client, "192.0.2.2")
    async with (
        running_service(database, address_requests_per_s=1, trusted_proxies=()) as running,
        running.client() as client,
    ):
        assert 429 in await answers(client, "192.0.2.1")
        assert await answers(client, "192.0.2.2") == {429}, "nobody is believed"


async def test_who_waits_as_long_as_told_is_served(database: Database, shop: Market) -> None:
    user = await shop.new_user()
    async with (
        running_service(database, user_requests_per_s=1) as running,
        running.user(user) as client,
    ):
        while (answer := await client.get("/v1/me")).status_code == 200:
            pass
        await asyncio.sleep(int(answer.headers["retry-after"]))  # it is the promise itself
        assert (await client.get("/v1/me")).status_code == 200
