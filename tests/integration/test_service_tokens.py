"""Whose token the service takes: published keys, both kinds at once, and revocations."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx

from process.keys import ASK_AGAIN_AFTER
from process.settings import Settings
from process.tokens import mint
from service.__main__ import serve_until
from tests.db_helpers import Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import SECRET, RunningService, running_service, token
from tests.issuer import PATH, SigningKey, issuer, signing_key
from tests.market import Market
from tests.served import free_address

OLD, NEW = signing_key("old", "RS256"), signing_key("new", "EdDSA")


def issued(key: SigningKey, user: UUID | None = None) -> str:
    return key.token(user or uuid4(), int(datetime.now(UTC).timestamp()))


async def me(service: RunningService, bearer: str) -> httpx.Response:
    async with service.client(bearer) as client:
        return await client.get("/v1/me")


@asynccontextmanager
async def trusting(
    database: Database, url: str, **changes: object
) -> AsyncIterator[RunningService]:
    """A service that knows published keys alone, unless `changes` say otherwise."""
    settings = {"jwks_url": url, "jwt_secret": None, **changes}
    async with running_service(database, **settings) as service:
        yield service


async def test_a_published_key_proves_a_user_and_no_other_kind_does(database: Database) -> None:
    user = uuid4()
    async with issuer(OLD) as source, trusting(database, source.url) as service:
        answer = await me(service, issued(OLD, user))
        assert (answer.status_code, answer.json()["user_id"]) == (200, str(user))
        refused = await me(service, token(user))
        assert refused.status_code == 401
        assert refused.json()["detail"] == "Failed to validate JWT signature"
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]


async def test_a_secret_and_published_keys_may_both_be_in_use(
    database: Database, service: RunningService
) -> None:
    async with issuer(OLD) as source, running_service(database, jwks_url=source.url) as both:
        for bearer in (issued(OLD), token(uuid4())):
            assert (await me(both, bearer)).status_code == 200
    assert (await me(service, issued(OLD))).status_code == 401


async def test_a_rotated_key_is_taken_at_its_first_request_and_the_old_one_while_published(
    database: Database,
) -> None:
    async with issuer(OLD) as source, trusting(database, source.url) as service:
        source.publish(OLD, NEW)
        for key in (NEW, OLD):
            assert (await me(service, issued(key))).status_code == 200


async def test_made_up_keys_cost_their_issuer_nothing(database: Database) -> None:
    async with issuer(OLD) as source, trusting(database, source.url) as service:
        began_s = time.monotonic()
        for number in range(100):
            answer = await me(service, OLD.sign({}, kid=f"junk {number}"))
            assert answer.json()["detail"] == (
                "Failed to generate JWT signer: no published key has the `kid` of this JWT"
            )
        elapsed_s = time.monotonic() - began_s
        assert source.asked <= 2 + elapsed_s / ASK_AGAIN_AFTER.total_seconds()
        assert (await me(service, issued(OLD))).status_code == 200


async def test_before_the_keys_are_known_nobody_is_told_that_a_token_is_bad(
    database: Database,
) -> None:
    """Or clients would throw it away; a service behind a balancer is not sent any requests."""
    nobody = free_address().url() + PATH
    async with away_issuer(database, nobody) as service:
        answer = await me(service, issued(OLD))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await me(service, token(uuid4()))).status_code == 200, "the secret is known"


@asynccontextmanager
async def away_issuer(database: Database, url: str) -> AsyncIterator[RunningService]:
    """A service that cannot be ready, because nobody publishes its keys."""
    settings = Settings(
        home=Path("nowhere"),
        database_url=database.dsn("sonnette_service"),
        service_listen=free_address(),
        jwt_secret=SECRET,
        jwks_url=url,
    )
    stop, service = asyncio.Event(), RunningService(settings.service_listen)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_until(stop, settings))
        try:
            await eventually(lambda: says_why_it_is_not_ready(service))
            yield service
        finally:
            stop.set()


async def says_why_it_is_not_ready(service: RunningService) -> bool:
    async with service.client() as client:
        try:
            answer = await client.get("/readyz")
        except httpx.TransportError:
            return False
    return answer.status_code == 503 and answer.json()["problems"] == [
        "the published keys are not known: their issuer cannot be reached (ConnectError)"
    ]


# --- revocations


async def is_revoked(service: RunningService, bearer: str) -> bool:
    answer = await me(service, bearer)
    return answer.status_code == 401 and answer.json()["detail"] == "Token has been revoked"


async def test_a_revoked_token_is_refused_and_a_newer_one_is_not(
    service: RunningService, shop: Market, db: Connection
) -> None:
    alice, bob = await shop.new_user(), await shop.new_user()
    old = mint(SECRET, alice, datetime.now(UTC) - timedelta(seconds=10))
    bobs = mint(SECRET, bob, datetime.now(UTC) - timedelta(seconds=10))
    assert (await me(service, old)).status_code == 200
    await db.execute("select sonnette.revoke(%s, now() - interval '5 seconds')", (alice,))
    await eventually(lambda: is_revoked(service, old), 5)
    for bearer in (token(alice), bobs):
        assert (await me(service, bearer)).status_code == 200


async def test_who_waits_for_changes_gets_none_once_the_token_is_revoked(
    service: RunningService, shop: Market, db: Connection
) -> None:
    alice = await shop.new_user()
    bearer = token(alice)
    async with service.client(bearer) as client:
        seq = (await client.get("/v1/me")).json()["feed_seq"]
        waiting = asyncio.create_task(client.get(f"/v1/changes?after={seq}&wait=30"))
        await eventually(lambda: is_waiting(service))
        await db.execute("select sonnette.revoke(%s)", (alice,))
        await eventually(lambda: is_revoked(service, bearer), 5)
        await shop.received(alice, "358042")
        answer = await waiting
    assert (answer.status_code, answer.json()["detail"]) == (401, "Token has been revoked")
    assert "358042" not in answer.text


async def is_waiting(service: RunningService) -> bool:
    async with service.client() as client:
        return "sonnette_service_waiting 1.0" in (await client.get("/metrics")).text
