"""Bad input over HTTP: the right status, a sentence that names the field, and nothing done."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from process.tokens import mint
from tests.fixtures.service import SECRET, RunningService, token
from tests.market import COUNTRY, SERVICE, Market

LIMIT = 65_536
JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response) -> dict[str, object]:
    """The problem document, checked for what every one has (RFC 9457)."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:sonnette:problem:{body['code']}"
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[]", None),
        (b"null", None),
        (b'{"service_code":"wa","country_code":"6"} and more', None),
        (b"[" * 60_000, None),
        (b'{"country_code":"6"}', "service_code"),
        (b'{"service_code":5,"country_code":"6"}', "service_code"),
        (b'{"service_code":"wa","country_code":6}', "country_code"),
        (b'{"service_code":"wa","country_code":"6","max_price":0.5}', "max_price"),
        (b'{"service_code":"wa","country_code":"6","operator":[]}', "operator"),
        (b'{"service_code":"wa","country_code":"6","price":"0.01"}', "price"),
        (b'{"service_code":"wa","country_code":"6","user_id":"x"}', "user_id"),
    ],
)
async def test_a_body_that_cannot_be_read_is_400_and_names_the_field(
    alice: httpx.AsyncClient, body: bytes, field: str | None
) -> None:
    answer = await alice.post("/v1/activations", content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    refusal = problem(answer)
    assert refusal["code"] == "malformed"
    assert refusal.get("field") == field
    if field is not None:
        assert f"`{field}`" in str(refusal["detail"])
    assert (await alice.get("/v1/me")).json()["frozen"] == "0.00"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("service_code", ""),
        ("service_code", "w" * 65),
        ("country_code", "6\x00"),
        ("operator", "a\nb"),
        ("max_price", "cheap"),
        ("max_price", "-1"),
        ("max_price", "0.505"),
        ("max_price", "NaN"),
        ("max_price", "1e3"),
    ],
)
async def test_a_value_that_cannot_be_is_422_and_names_the_field(
    alice: httpx.AsyncClient, field: str, value: str
) -> None:
    asked = {"service_code": SERVICE, "country_code": COUNTRY, field: value}
    answer = await alice.post("/v1/activations", json=asked)
    assert answer.status_code == 422, answer.text
    assert problem(answer)["field"] == field


async def test_what_is_not_json_is_415(alice: httpx.AsyncClient) -> None:
    body = b'{"service_code":"wa","country_code":"6"}'
    for headers in ({}, {"Content-Type": "text/plain"}):
        answer = await alice.post("/v1/activations", content=body, headers=headers)
        assert (answer.status_code, problem(answer)["code"]) == (415, "unsupported_media_type")
    charset = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await alice.post("/v1/activations", content=body, headers=charset)).is_success


async def test_a_call_that_needs_no_body_takes_an_empty_one_and_no_other(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = (await alice.get("/v1/me")).json()["user_id"]
    path = f"/v1/activations/{await shop.pending(user)}/check"
    later = {"Prefer": "wait=0"}
    assert (await alice.post(path, headers=later)).status_code == 202
    assert (await alice.post(path, json={}, headers=later)).status_code == 202
    answer = await alice.post(path, json={"force": True}, headers=later)
    assert (answer.status_code, problem(answer)["field"]) == (400, "force")


@pytest.mark.parametrize("length", [LIMIT + 1, 3_000_000])
@pytest.mark.parametrize("path", ["/v1/activations", f"/v1/activations/{UUID(int=1)}/check"])
async def test_a_body_over_64_kib_is_413(alice: httpx.AsyncClient, path: str, length: int) -> None:
    answer = await alice.post(path, content=b" " * length, headers=JSON)
    assert (answer.status_code, problem(answer)["code"]) == (413, "body_too_large")


async def test_a_body_of_64_kib_is_read(alice: httpx.AsyncClient) -> None:
    asked = json.dumps({"service_code": SERVICE, "country_code": COUNTRY}).encode()
    answer = await alice.post("/v1/activations", content=asked.ljust(LIMIT), headers=JSON)
    assert answer.is_success, answer.text


async def test_a_chunked_body_over_64_kib_is_413(alice: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * 8192

    answer = await alice.post("/v1/activations", content=chunks(), headers=JSON)
    assert (answer.status_code, problem(answer)["code"]) == (413, "body_too_large")


async def test_an_endless_body_is_refused_and_not_read_to_its_end(
    service: RunningService, shop: Market
) -> None:
    reader, writer = await asyncio.open_connection(service.address.host, service.address.port)
    head = (
        "POST /v1/activations HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token(await shop.new_user())}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode())
    sending = asyncio.create_task(send_for_ever(writer))
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        # The connection is closed although the sender never stops.
        await sending
    writer.close()


async def send_for_ever(writer: asyncio.StreamWriter) -> None:
    chunk = b"2000\r\n" + b" " * 8192 + b"\r\n"
    try:
        while True:
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        return


def unsigned(claims: dict[str, object]) -> str:
    """A token with `alg: none`."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def claims(**changes: object) -> dict[str, object]:
    in_an_hour = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    whole = {"sub": str(uuid4()), "role": "authenticated", "exp": in_an_hour, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def signed(secret: str = SECRET, **changes: object) -> str:
    return jwt.encode(claims(**changes), secret, "HS256")


REFUSED = {
    "expired": (token(uuid4(), -60), "Token has expired "),
    "forged": (mint(SECRET[::-1], uuid4(), datetime.now(UTC)), "Failed to validate JWT signature"),
    "alg none": (unsigned(claims()), "Failed to validate JWT signature"),
    "without sub": (signed(sub=None), "Field `sub` must be a uuid in JWT"),
    "sub no uuid": (signed(sub="alice"), "Field `sub` must be a uuid in JWT"),
    "without exp": (signed(exp=None), "Fields `role` and `exp` are required in JWT"),
    "junk": ("not.a.token", "The token provided is not a valid JWT"),
    "anon": (signed(role="anon"), "a token of the role anon names no user"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("call", ["GET /v1/me", "POST /v1/activations", "GET /v1/changes?wait=30"])
async def test_a_bad_token_is_401_with_its_reason(
    service: RunningService, case: str, call: str
) -> None:
    bearer, reason = REFUSED[case]
    method, _, path = call.partition(" ")
    async with service.client(bearer) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 401
    refusal = problem(answer)
    assert str(refusal["detail"]).startswith(reason)
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="sonnette", error="invalid_token"')
    assert bearer not in answer.text + challenge


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer"])
async def test_no_token_is_401_and_says_how(service: RunningService, header: str | None) -> None:
    async with service.client() as client:
        headers = {} if header is None else {"Authorization": header}
        answer = await client.get("/v1/activations", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="sonnette"'
    assert "Authorization: Bearer" in str(problem(answer)["detail"])


async def test_what_does_not_exist_is_404(alice: httpx.AsyncClient) -> None:
    for path in ("/v1/nothing", "/v1/activations/", "/index.html", "/app.js/", "/../etc/passwd"):
        answer = await alice.get(path)
        assert (answer.status_code, problem(answer)["code"]) == (404, "not_found"), path


async def test_another_method_is_405_and_says_which(alice: httpx.AsyncClient) -> None:
    answer = await alice.delete("/v1/activations")
    assert (answer.status_code, problem(answer)["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))
    assert (await alice.get(f"/v1/activations/{uuid4()}/check")).status_code == 405


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/offers?country=6", 400, "country"),
        ("/v1/offers?after=junk", 422, "after"),
        ("/v1/offers?limit=0", 422, "limit"),
        ("/v1/offers?service_code=%00", 422, "service_code"),
        ("/v1/activations?status=lost", 422, "status"),
        ("/v1/activations?after=junk", 422, "after"),
        ("/v1/activations?after=99999999999999999999-x", 422, "after"),
        ("/v1/activations?limit=1001", 422, "limit"),
        ("/v1/activations?limit=ten", 400, "limit"),
    ],
)
async def test_a_query_is_checked(
    alice: httpx.AsyncClient, path: str, status: int, field: str
) -> None:
    answer = await alice.get(path)
    assert answer.status_code == status, answer.text
    assert problem(answer)["field"] == field


async def test_a_renewal_is_only_in_the_demo(alice: httpx.AsyncClient) -> None:
    assert (await alice.post("/v1/token")).status_code == 404
