"""/openapi.json: valid, complete, and true: every answer of the service is as it says."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.problems import KINDS
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service, token
from tests.market import COUNTRY, SERVICE, Market

EXAMPLES = 25
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


async def test_it_is_valid_and_needs_no_token(service: RunningService) -> None:
    async with service.client() as client:
        described = await document(client)
    assert described["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(described).validate()


def operations(described: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.mark.parametrize("demo", [False, True])
async def test_it_has_each_call_that_is_answered_and_no_other(
    database: Database, shop: Market, demo: bool
) -> None:
    """Compares with what really answers, not with the table that both are made from."""
    user = await shop.new_user()
    async with running_service(database, demo=demo) as running, running.user(user) as client:
        described = await document(client)
        listed = {(method, path) for method, path, _ in operations(described)}
        assert (("POST", "/v1/token") in listed) == demo
        for path in {path for _, path in listed}:
            concrete = path.replace("{activation_id}", "00000000-0000-4000-8000-000000000000")
            for method in METHODS:
                if concrete == "/v1/events" and method == "GET":
                    continue
                answer = await client.request(method, concrete)
                assert (answer.status_code != 405) == ((method, path) in listed), (method, path)


async def test_the_routes_of_the_design_are_all_there(alice: httpx.AsyncClient) -> None:
    listed = {f"{method} {path}" for method, path, _ in operations(await document(alice))}
    one = "/v1/activations/{activation_id}"
    assert listed == {
        "GET /v1/me",
        "GET /v1/offers",
        "POST /v1/activations",
        "GET /v1/activations",
        f"GET {one}",
        f"POST {one}/check",
        f"POST {one}/cancel",
        f"POST {one}/finish",
        f"POST {one}/another",
        f"POST {one}/recover",
        "POST /functions/v1/check-sms-activate-status",
        "POST /functions/v1/update-activation-sms",
        "POST /webhooks/{provider}/{secret}",
        "GET /v1/changes",
        "GET /v1/events",
        "GET /openapi.json",
    }


async def test_each_refusal_says_which_codes_there_are(alice: httpx.AsyncClient) -> None:
    told = set()
    for _, _, operation in operations(await document(alice)):
        for status, answer in operation["responses"].items():
            problem = answer["content"].get("application/problem+json")
            if problem:
                codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"]
                assert {str(KINDS[code][0].value) for code in codes} == {status}
                told |= set(codes)
    of_no_operation = {"method_not_allowed", "cross_origin_refused"}
    assert told == KINDS.keys() - of_no_operation


GENERATED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def drive(url: str, bearer: str, call: str, activation: str) -> set[int]:
    """Send generated requests to one operation, check each answer, and tell their statuses."""
    method, _, path = call.partition(" ")
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path][method]
    statuses: list[int] = []

    def probe(case: "schemathesis.Case[Any]") -> None:
        if case.path_parameters and len(statuses) % 3:
            case.path_parameters["activation_id"] = activation
        case.headers.update({"Prefer": "wait=0", "Authorization": f"Bearer {bearer}"})
        if str((case.query or {}).get("wait")).isdecimal():
            case.query["wait"] = 0
        statuses.append(case.call_and_validate(checks=CHECKS, timeout=20).status_code)

    for mode in GenerationMode:
        strategy = operation.as_strategy(generation_mode=mode)
        GENERATED(given(case=strategy)(probe))()
    return set(statuses)


@pytest.mark.parametrize(
    ("call", "met"),
    [
        ("GET /v1/me", {200}),
        ("GET /v1/offers", {200, 400, 422}),
        ("POST /v1/activations", {400, 404}),
        ("GET /v1/activations", {200, 400, 422}),
        ("GET /v1/activations/{activation_id}", {200, 404}),
        ("POST /v1/activations/{activation_id}/check", {202, 400}),
        ("POST /v1/activations/{activation_id}/cancel", {202, 400}),
        ("POST /v1/activations/{activation_id}/finish", {400, 409}),
        ("POST /v1/activations/{activation_id}/another", {400, 409}),
        ("POST /v1/activations/{activation_id}/recover", {202, 400}),
        ("POST /functions/v1/check-sms-activate-status", {400, 404}),
        ("POST /functions/v1/update-activation-sms", {400, 404}),
        ("GET /v1/changes", {200, 400, 409}),
        ("GET /openapi.json", {200}),
    ],
)
async def test_generated_requests_are_answered_as_it_says(
    service: RunningService, shop: Market, call: str, met: set[int]
) -> None:
    user = await shop.new_user()
    activation = str(await shop.pending(user))
    statuses = await asyncio.to_thread(drive, service.address.url(), token(user), call, activation)
    assert met <= statuses, "the requests reach less than they should"


async def test_a_purchase_is_answered_as_it_says(service: RunningService, shop: Market) -> None:
    """Generated words are never on offer, so that this one is written out."""
    user, url = await shop.new_user("1.00"), service.address.url()
    headers = {"Authorization": f"Bearer {token(user)}", "Prefer": "wait=0", "Idempotency-Key": "1"}

    def buy() -> int:
        operation = schemathesis.openapi.from_url(f"{url}/openapi.json")["/v1/activations"]["POST"]
        body: dict[str, Any] = {"service_code": SERVICE, "country_code": COUNTRY}
        case = operation.Case(body=body, headers=headers, media_type="application/json")
        return case.call_and_validate(checks=CHECKS, timeout=20).status_code

    assert await asyncio.to_thread(buy) == 202
    assert await asyncio.to_thread(buy) == 202
    headers["Idempotency-Key"] = "2"
    assert await asyncio.to_thread(buy) == 202
    headers["Idempotency-Key"] = "3"
    assert await asyncio.to_thread(buy) == 402


async def test_a_stream_is_refused_as_it_says(service: RunningService) -> None:
    """With a good token it would not end; tests/integration/test_service_events.py has those."""
    statuses = await asyncio.to_thread(drive, service.address.url(), "junk", "GET /v1/events", "")
    assert {400, 401} <= statuses
