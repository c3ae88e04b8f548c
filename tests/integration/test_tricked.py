"""Requests by which service and gateway could be tricked: into a second request, a file, a call."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from process.settings import Address
from tests.fixtures.service import RunningService
from tests.gateway_process import GatewayProcess
from tests.issuer import signing_key
from tests.market import COUNTRY, SERVICE, Market

LIMIT_S = 10
HIDDEN = "GET /openapi.json HTTP/1.1\r\nHost: hidden\r\n\r\n"
NUMBER = {"service_code": SERVICE, "country_code": COUNTRY}

# Two who read such a head differently disagree on where the next request begins.
AMBIGUOUS = {
    "two ways to say the length": ["Content-Length: 4", "Transfer-Encoding: chunked"],
    "the other way round": ["Transfer-Encoding: chunked", "Content-Length: 4"],
    "two lengths": ["Content-Length: 0", "Content-Length: 4"],
    "a list of lengths": ["Content-Length: 0, 4"],
    "a length with a sign": ["Content-Length: +0"],
    "a length below zero": ["Content-Length: -1"],
    "a length in hex": ["Content-Length: 0x0"],
    "a space before the colon": ["Content-Length : 0"],
    "a folded line": ["X: y", " Content-Length: 0"],
    "an unknown encoding": ["Transfer-Encoding: xchunked"],
    "an encoding twice": ["Transfer-Encoding: chunked, chunked"],
    "a bare line feed in a field": ["X: y\nContent-Length: 0"],
    "no name": [": 0"],
}


async def said(address: Address, text: str) -> str:
    """Everything that is answered to these bytes until the connection is closed."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(text.encode("latin-1"))
    writer.write_eof()
    async with asyncio.timeout(LIMIT_S):
        answer = await reader.read()
    writer.close()
    return answer.decode("latin-1")


def head(target: str, *fields: str, method: str = "GET", host: str = "here") -> str:
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", ""])


@pytest.mark.parametrize("fields", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_a_request_whose_end_is_ambiguous_hides_no_other(
    service: RunningService, fields: list[str]
) -> None:
    body = "0\r\n\r\n"
    answer = await said(
        service.address, head("/v1/activations", *fields, method="POST") + body + HIDDEN
    )
    first, *more = re.findall(r"HTTP/1.1 (\d+)", answer)
    assert first in ("400", "401")
    assert more in ([], ["400"])
    assert "openapi" not in answer


async def test_the_gateways_plain_answers_hide_no_other(gateway: GatewayProcess) -> None:
    for fields in ([f"Content-Length: {len(HIDDEN)}"], *AMBIGUOUS.values(), []):
        answer = await said(gateway.address, head("/livez", *fields) + HIDDEN)
        assert answer.count("HTTP/1.1 ") <= 1, fields


async def test_no_path_leads_out_of_the_pages_files(service: RunningService) -> None:
    for target in (
        "/../../../../etc/passwd", "/static/../../../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/style.css/../page.py", "/page.py",
        "/..%5c..%5cetc%5cpasswd", "/style.css%00", "/./style.css", "file:///etc/passwd",
        "http://127.0.0.1/etc/passwd",
    ):  # fmt: skip
        answer = await said(service.address, head(target, "Connection: close"))
        assert answer.startswith("HTTP/1.1 4"), target
        assert "root:" not in answer
        assert "import" not in answer


@asynccontextmanager
async def trap() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that nobody has a reason to call: its address, and what it is told."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}", heard


async def test_nothing_in_a_request_makes_the_service_call_somebody(
    service: RunningService, shop: Market
) -> None:
    user = await shop.new_user()
    async with trap() as (place, heard), service.client() as client:
        url = f"http://{place}/keys.json"
        lured = signing_key("lure").sign(
            {"sub": str(user), "role": "authenticated", "exp": datetime.now(UTC).timestamp() + 60},
            jku=url, x5u=url, kid=url,
        )  # fmt: skip
        lures = {
            "X-Forwarded-Host": place,
            "Forwarded": f"host={place}",
            "Origin": url,
            "Referer": url,
        }
        refused = await client.get("/v1/me", headers={"Authorization": f"Bearer {lured}"} | lures)
        assert refused.status_code == 401
        async with service.user(user) as theirs:
            await theirs.post("/v1/activations", json=NUMBER | {"operator": url}, headers=lures)
            for name in ("check-sms-activate-status", "update-activation-sms"):
                for field in ("activationId", "orderId"):
                    await theirs.post(f"/functions/v1/{name}", json={field: url})
        await client.post(f"/webhooks/{url}/x", json={"activationId": "1", "url": url})
        assert (await said(service.address, head(url, "Connection: close"))).startswith(
            "HTTP/1.1 4"
        )
        with socket.create_connection(place.split(":"), timeout=LIMIT_S) as fence:  # type: ignore[arg-type]
            await asyncio.to_thread(fence.sendall, b"the fence")
            fence.shutdown(socket.SHUT_WR)
            await asyncio.to_thread(fence.recv, 1)
        assert heard == [b"the fence"]


async def test_no_host_is_repeated_and_no_cookie_is_believed(
    service: RunningService, shop: Market
) -> None:
    user = await shop.new_user()
    async with service.user(user) as client:
        bearer = client.headers["Authorization"]
        for path in ("/", "/config.json", "/openapi.json", "/v1/me", "/nothing"):
            answer = await client.get(
                path, headers={"Host": "evil.example", "Origin": "https://evil.example"}
            )
            told = f"{answer.text} {answer.headers}"
            assert "evil.example" not in told, path
            assert "set-cookie" not in answer.headers
            assert "access-control-allow-origin" not in answer.headers
        bought = await client.post(
            "/v1/activations", json=NUMBER, headers={"Host": "evil.example", "Prefer": "wait=0"}
        )
        assert bought.headers["location"].startswith("/v1/activations/")
    async with service.client() as page:
        for cookie in ({"Cookie": f"Authorization={bearer}; access_token={bearer[7:]}"}, {}):
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
                sent = await page.post(
                    "/v1/activations",
                    content=b'{"service_code":"wa","country_code":"6"}',
                    headers={"Content-Type": kind, "Origin": "https://evil.example"} | cookie,
                )
                assert sent.status_code == httpx.codes.UNAUTHORIZED
    assert await shop.feed_seq(uuid4()) == 0
