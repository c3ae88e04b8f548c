"""POST /webhooks/{provider}/{secret}: who is let in, what is stored, and how it is answered."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import schemathesis
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService
from tests.market import ACCOUNT, Connection, Market
from tests.outage import away
from tests.service_process import service_process

SECRET = "an-unguessable-path-of-32-letters"
PATH = f"/webhooks/{ACCOUNT}/{SECRET}"
HERO = {
    "activationId": "635468024", "id": "1", "service": "wa", "country": 6, "phoneFrom": "WhatsApp",
    "text": "Your code is 358042", "code": "358042", "receivedAt": "2023-01-01T12:00:00+00:00",
}  # fmt: skip


async def let_in(market: Market, *addresses: str) -> None:
    """The account's poller has told its secret."""
    await market.poller.execute(
        "update sonnette.accounts set webhook_secret_sha256 = %s, webhook_addresses = %s::cidr[]"
        " where name = %s",
        (hashlib.sha256(SECRET.encode()).digest(), list(addresses) or None, ACCOUNT),
    )


async def inbox(market: Market) -> list[Mapping[str, object]]:
    """All that is stored."""
    async with market.operator.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("select * from sonnette.inbox order by id")
        return [*await cursor.fetchall()]


@pytest_asyncio.fixture
async def provider(service: RunningService, shop: Market) -> AsyncIterator[httpx.AsyncClient]:
    """Who posts webhooks."""
    await let_in(shop)
    async with service.client() as client:
        yield client


async def test_it_is_stored_and_then_answered(provider: httpx.AsyncClient, shop: Market) -> None:
    activation = await shop.pending(await shop.new_user())
    order = await order_of(shop, str(activation))
    for activation_id in (order, int(order)):
        answer = await provider.post(PATH, json=HERO | {"activationId": activation_id})
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    [row] = await inbox(shop)
    assert (row["account"], row["order_id"], row["done_at"]) == (ACCOUNT, order, None)
    assert row["body"] == HERO | {"activationId": order}
    assert str(row["remote_address"]) == "127.0.0.1"


async def order_of(shop: Market, activation: str) -> str:
    cursor = await shop.operator.execute(
        "select order_id from public.activations where id = %s", (activation,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


async def test_the_same_again_is_200_and_does_nothing(
    provider: httpx.AsyncClient, shop: Market
) -> None:
    for _ in range(3):
        assert (await provider.post(PATH, json=HERO)).status_code == 200
    assert len(await inbox(shop)) == 1
    metrics = (await provider.get("/metrics")).text
    assert 'sonnette_service_webhooks_total{result="repeated"} 2.0' in metrics
    for secret in (SECRET, ACCOUNT, "358042"):
        assert secret not in metrics


async def test_an_order_that_nobody_bought_is_stored_and_closed_as_unknown(
    provider: httpx.AsyncClient, shop: Market
) -> None:
    assert (await provider.post(PATH, json=HERO)).status_code == 200
    [row] = await inbox(shop)
    assert row["outcome"] == "unknown"
    assert row["done_at"] is not None


async def test_while_a_purchase_is_under_way_an_order_may_yet_be_known(
    provider: httpx.AsyncClient, shop: Market
) -> None:
    await shop.buy(await shop.new_user())
    await provider.post(PATH, json=HERO)
    assert (await inbox(shop))[0]["done_at"] is None


@pytest.mark.parametrize(
    "path",
    [
        f"/webhooks/{ACCOUNT}/{SECRET[:-1]}",
        f"/webhooks/{ACCOUNT}/{SECRET}x",
        f"/webhooks/{ACCOUNT}/{SECRET.upper()}",
        f"/webhooks/{ACCOUNT}/%00",
        f"/webhooks/another/{SECRET}",
        f"/webhooks/%00%ff/{SECRET}",
        f"/webhooks/{'x' * 100}/{SECRET}",
        f"/webhooks/{ACCOUNT}",
        f"/webhooks/{ACCOUNT}/{SECRET}/x",
    ],
)
async def test_fault_14_who_does_not_know_the_secret_learns_nothing(
    provider: httpx.AsyncClient, shop: Market, path: str
) -> None:
    refused = await provider.post(path, json=HERO, headers={"X-Request-Id": "1"})
    nowhere = await provider.post("/no/such/path", json=HERO, headers={"X-Request-Id": "1"})
    assert refused.status_code == 404
    assert refused.content == nowhere.content
    assert await inbox(shop) == []


async def test_an_account_without_a_secret_takes_none(
    service: RunningService, shop: Market
) -> None:
    async with service.client() as client:
        for secret in (SECRET, "0" * 64):
            assert (
                await client.post(f"/webhooks/{ACCOUNT}/{secret}", json=HERO)
            ).status_code == 404


async def test_with_a_list_of_addresses_only_they_are_let_in(
    provider: httpx.AsyncClient, shop: Market
) -> None:
    await let_in(shop, "203.0.113.0/24")
    assert (await provider.post(PATH, json=HERO)).status_code == 404
    for forged in ("203.0.113.9, 198.51.100.1", "203.0.113.9, nonsense", "127.0.0.1"):
        headers = {"X-Forwarded-For": forged}
        assert (await provider.post(PATH, json=HERO, headers=headers)).status_code == 404
    behind_proxy = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert (await provider.post(PATH, json=HERO, headers=behind_proxy)).status_code == 200
    assert str((await inbox(shop))[0]["remote_address"]) == "203.0.113.9"
    await let_in(shop, "203.0.113.0/24", "127.0.0.0/8")
    assert (await provider.post(PATH, json=HERO)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"358042", 400, "malformed"),
        (b"[1]", 400, "malformed"),
        (b"<html>", 400, "malformed"),
        (b"", 400, "malformed"),
        (b'{"a":"' + b"x" * 65_536 + b'"}', 413, "body_too_large"),
    ],
)
async def test_what_is_no_webhook_is_refused_and_not_stored(
    provider: httpx.AsyncClient, shop: Market, body: bytes, status: int, code: str
) -> None:
    answer = await provider.post(PATH, content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "358042" not in answer.text
    assert await inbox(shop) == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"activationId":"1","text":"a\\u0000b","\\u0000":1}',
        b'{"activationId":1.5,"text":1e308}',
        b'{"activationId":123456789012345678901234567890,"code":[1],"text":{"a":null}}',
        b'{"activationId":null}',
        b"{}",
    ],
)
@pytest.mark.parametrize("media_type", ["application/json", "text/plain", None])
async def test_any_object_of_any_type_is_stored(
    provider: httpx.AsyncClient, shop: Market, body: bytes, media_type: str | None
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await provider.post(PATH, content=body, headers=headers)
    assert answer.status_code == 200
    [row] = await inbox(shop)
    assert row["outcome"] == "unknown"


async def test_fault_14_what_could_not_be_stored_is_a_5xx(
    provider: httpx.AsyncClient, database: Database
) -> None:
    async with away(database):
        answer = await provider.post(PATH, json=HERO)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


async def test_a_database_that_hangs_is_a_5xx_in_time_and_the_next_try_is_stored_once(
    provider: httpx.AsyncClient, shop: Market
) -> None:
    await shop.owner.execute("begin")
    await shop.owner.execute("lock table sonnette.inbox in access exclusive mode")
    answer = await provider.post(PATH, json=HERO)  # the lock is held until it has come
    await shop.owner.execute("rollback")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert (await provider.post(PATH, json=HERO)).status_code == 200
    assert len(await inbox(shop)) == 1


async def test_the_secret_is_in_no_log(database: Database, shop: Market, tmp_path: Path) -> None:
    await let_in(shop)
    log = tmp_path / "service.log"
    dsn = database.dsn("sonnette_service")
    async with service_process(dsn, log, SONNETTE_LOG_LEVEL="DEBUG") as running:
        async with RunningService(running.address).client() as client:
            await client.post(PATH, json=HERO)
            await client.post(PATH + "x", json=HERO)
            await client.get(PATH)
            await client.post(PATH, content=b"junk")
            async with away(database):
                assert (await client.post(PATH, json=HERO)).status_code == 503
            await eventually(lambda: _is_stored(client))
            async with await AsyncConnection.connect(database.dsn()) as owner:
                await owner.execute(
                    "revoke execute on function sonnette.webhook_received(text, text, jsonb,"
                    " inet, text) from sonnette_service"
                )
            assert (await client.post(PATH, json=HERO)).status_code == 500
            metrics = (await client.get("/metrics")).text
        logged = running.logged()
        assert "a webhook was not stored" in logged
        assert "/webhooks/{provider}/{secret}" in logged
        for secret in (SECRET, "358042"):
            assert secret not in logged
            assert secret not in metrics


async def test_only_poller_and_operator_may_read_what_is_stored(db: Connection) -> None:
    for role, allowed in (
        ("sonnette_poller", True), ("sonnette_operator", True),
        ("sonnette_service", False), ("sonnette_gateway", False),
    ):  # fmt: skip
        cursor = await db.execute(
            "select has_table_privilege(%s, 'sonnette.inbox', 'select')", (role,)
        )
        assert await cursor.fetchone() == (allowed,), role


async def _is_stored(client: httpx.AsyncClient) -> bool:
    return (await client.post(PATH, json=HERO)).status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("secret", "body"), [(SECRET, HERO), ("wrong", HERO), (SECRET, {"code": None})]
)
async def test_it_is_answered_as_the_document_says(
    provider: httpx.AsyncClient, secret: str, body: dict[str, Any]
) -> None:
    url = str(provider.base_url).rstrip("/")

    def post() -> None:
        described = schemathesis.openapi.from_url(f"{url}/openapi.json")
        case = described["/webhooks/{provider}/{secret}"]["POST"].Case(
            path_parameters={"provider": ACCOUNT, "secret": secret},
            body=body,
            media_type="application/json",
        )
        case.call_and_validate(timeout=20)

    await asyncio.to_thread(post)
