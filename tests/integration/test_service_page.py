"""The page's files, what they may do, and where they are told that the gateway is."""

import pytest

from process.settings import Address
from service.page import FILES, gateway_url, policy
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service


@pytest.mark.parametrize("path", FILES)
async def test_each_file_is_served_with_its_type_and_a_strict_policy(
    service: RunningService, path: str
) -> None:
    async with service.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FILES[path][1]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    rules = answer.headers["content-security-policy"].split("; ")
    assert rules[0] == "default-src 'none'"
    assert "script-src 'self'" in rules
    assert "connect-src 'self' ws://127.0.0.1:8001" in rules
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert len(answer.content) > 100


async def test_a_file_is_sent_compressed_and_only_when_it_has_changed(
    service: RunningService,
) -> None:
    async with service.client() as client:
        plain = await client.get("/app.js", headers={"Accept-Encoding": "identity"})
        small = await client.get("/app.js", headers={"Accept-Encoding": "gzip"})
        again = await client.get("/app.js", headers={"If-None-Match": plain.headers["etag"]})
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content) / 2
    assert small.content == plain.content
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_holds_nothing_inline_and_nothing_from_elsewhere(
    service: RunningService,
) -> None:
    async with service.client() as client:
        page = (await client.get("/")).text
        assert (await client.get("/config.json")).json() == {"gateway_url": "ws://127.0.0.1:8001"}
    for inline in ("<style", " style=", " onclick=", "http://", "https://", "//"):
        assert inline not in page
    assert page.count("<script") == page.count('<script type="module" src="/app.js"></script>') == 1


async def test_a_gateway_behind_a_proxy_is_where_the_setting_says(database: Database) -> None:
    outside = "wss://sms.example.org"
    async with running_service(database, gateway_url=outside) as behind, behind.client() as client:
        assert (await client.get("/config.json")).json() == {"gateway_url": outside}
        rules = (await client.get("/")).headers["content-security-policy"].split("; ")
    assert f"connect-src 'self' {outside}" in rules


@pytest.mark.parametrize(
    ("listens", "asked", "url"),
    [
        (Address("127.0.0.1", 8001), "example.org:8000", "ws://127.0.0.1:8001"),
        (Address("0.0.0.0", 9001), "example.org:8000", "ws://example.org:9001"),
        (Address("::", 9001), "[::1]:8000", "ws://[::1]:9001"),
        (Address("0.0.0.0", 9001), "", "ws://127.0.0.1:9001"),
        (Address("0.0.0.0", 9001), "; script-src *", "ws://127.0.0.1:9001"),
        (Address("0.0.0.0", 9001), "a; script-src *", "ws://a:9001"),
    ],
)
def test_a_gateway_that_listens_everywhere_is_where_the_page_came_from(
    listens: Address, asked: str, url: str
) -> None:
    assert gateway_url(listens, asked) == url
    assert policy(url).count("script-src") == 1
