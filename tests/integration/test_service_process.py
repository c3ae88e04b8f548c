"""The service as a process: ready or not and why, ending, the loss of its database, its metrics."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from db.connect import NoAnswer
from db.errors import SonnetteError
from process.settings import Settings
from service.__main__ import serve_until
from service.database import Connection, opened
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import SECRET, RunningService, running_service
from tests.market import COUNTRY, SERVICE, Market
from tests.outage import away
from tests.served import free_address
from tests.watching import line, through


async def test_it_says_that_it_lives_and_is_ready(service: RunningService) -> None:
    async with service.client() as client:
        assert (await client.get("/livez")).text == "alive\n"
        assert (await client.get("/readyz")).json() == {
            "ready": True,
            "problems": [],
            "warnings": [],
        }


async def test_its_metrics_name_routes_and_no_user(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    user = UUID((await alice.get("/v1/me")).json()["user_id"])
    activation = await shop.received(user, "358042")
    await alice.get(f"/v1/activations/{activation}")
    async with service.client() as client:
        await client.get("/v1/me")
        text = (await client.get("/metrics")).text
    assert 'requests_total{method="GET",route="/v1/me",status="200"} 1.0' in text
    assert 'requests_total{method="GET",route="/v1/me",status="401"} 1.0' in text
    assert 'route="/v1/activations/{activation_id}"' in text
    assert "sonnette_service_ready 1.0" in text
    for secret in (str(user), str(activation), "358042", "Bearer"):
        assert secret not in text


def settings(database: Database | None, **changes: object) -> Settings:
    whole = Settings(
        home=Path("nowhere"),
        database_url=database.dsn("sonnette_service") if database else None,
        service_listen=free_address(),
        jwt_secret=SECRET,
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


async def refusal(chosen: Settings) -> str:
    """The sentence with which the service does not begin."""
    with pytest.RaisesGroup(
        pytest.RaisesExc(SonnetteError), allow_unwrapped=True, flatten_subgroups=True
    ) as refused:
        await asyncio.wait_for(serve_until(asyncio.Event(), chosen), 20)
    error = refused.value
    return str(error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error)


async def test_what_it_needs_is_named(database: Database) -> None:
    assert (await refusal(settings(None))).startswith("DATABASE_URL is not set")
    missing = await refusal(settings(database, jwt_secret=None))
    assert missing.startswith("SONNETTE_JWT_SECRET is not set")


async def test_a_taken_port_is_named(service: RunningService, database: Database) -> None:
    said = await refusal(settings(database, service_listen=service.address))
    assert said == f"port {service.address.port} is in use; set SONNETTE_SERVICE_LISTEN"


@asynccontextmanager
async def begun(chosen: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A service that answers, whether it is ready or not."""
    stop, running = asyncio.Event(), RunningService(chosen.service_listen)
    async with asyncio.TaskGroup() as tasks, running.client() as client:
        tasks.create_task(serve_until(stop, chosen))
        await eventually(lambda: lives(client), 20)
        try:
            yield client
        finally:
            stop.set()


async def lives(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/livez")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def test_it_begins_before_its_database_and_is_ready_once_that_is_there(
    database: Database,
) -> None:
    async with AsyncExitStack() as stack:
        async with away(database):
            client = await stack.enter_async_context(begun(settings(database)))
            assert (await client.get("/readyz")).status_code == 503
        await eventually(lambda: is_ready(client), 20)


async def test_a_database_that_is_not_there_is_named_without_the_password(
    database: Database,
) -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/x"
    async with begun(settings(database, database_url=url)) as client:
        said = (await client.get("/readyz")).text
        assert "127.0.0.1" in said
        assert "hunter2" not in said


async def test_a_database_without_sonnette_says_what_to_do(database: Database) -> None:
    url = database.server.dsn("postgres", "postgres")
    assert "sonnette migrate" in await refusal(settings(database, database_url=url))


async def test_it_stops_at_once_although_somebody_waits(database: Database, shop: Market) -> None:
    async with asyncio.timeout(8), running_service(database) as running:
        client = running.user(await shop.new_user())
        seq = (await client.get("/v1/me")).json()["feed_seq"]
        waiting = asyncio.create_task(client.get(f"/v1/changes?after={seq}&wait=30"))
        await eventually(lambda: is_waiting(running))
    answer = await waiting
    assert (answer.status_code, answer.json()["changes"]) == (200, [])
    await client.aclose()


async def is_waiting(running: RunningService) -> bool:
    async with running.client() as client:
        return "sonnette_service_waiting 1.0" in (await client.get("/metrics")).text


async def test_without_its_database_it_answers_503_and_comes_back_by_itself(
    service: RunningService, alice: httpx.AsyncClient, database: Database
) -> None:
    async with away(database):
        answer = await alice.get("/v1/me")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert database.name not in answer.text
        ready = await alice.get("/readyz")
        assert ready.status_code == 503
        assert len(ready.json()["problems"]) == 3, "connections, listener, revocations"
        assert (await alice.get("/livez")).status_code == 200
    await eventually(lambda: is_ready(alice), 20)
    assert (await alice.get("/v1/me")).status_code == 200


async def test_a_purchase_stands_although_the_database_is_lost_while_its_answer_waits(
    alice: httpx.AsyncClient, shop: Market, database: Database
) -> None:
    number = {"service_code": SERVICE, "country_code": COUNTRY}
    buying = asyncio.create_task(
        alice.post("/v1/activations", json=number, headers={"Prefer": "wait=2"})
    )
    await eventually(lambda: is_bought(shop))
    async with away(database):
        answer = await asyncio.wait_for(buying, 20)
    assert (answer.status_code, answer.json()["status"]) == (202, "requested")
    assert "sonnette-feed-seq" in answer.headers


async def is_bought(shop: Market) -> bool:
    cursor = await shop.operator.execute("select from public.activations")
    return await cursor.fetchone() is not None


async def is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def test_the_demo_renews_a_valid_token_and_no_other(database: Database, shop: Market) -> None:
    user = await shop.new_user()
    async with running_service(database, demo=True) as running:
        async with running.user(user) as client:
            renewed = (await client.post("/v1/token")).json()
        assert (renewed["token_type"], renewed["expires_in"]) == ("Bearer", 3600)
        async with running.client(renewed["access_token"]) as client:
            assert (await client.get("/v1/me")).json()["user_id"] == str(user)
        async with running.client("junk") as client:
            assert (await client.post("/v1/token")).status_code == 401


async def test_other_origins_are_let_in_only_where_they_are_named(
    database: Database, shop: Market, service: RunningService
) -> None:
    preflight = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with service.client() as client:
        answer = await client.options("/v1/activations", headers=preflight)
        assert "access-control-allow-origin" not in answer.headers
    origins = ("https://app.example",)
    async with (
        running_service(database, cors_origins=origins) as running,
        running.client() as client,
    ):
        answer = await client.options("/v1/activations", headers=preflight)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        answer = await client.get("/v1/me", headers={"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_a_wallet_that_somebody_holds_stops_its_user_alone(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    """BEGIN, UPDATE, and off to lunch."""
    user = UUID((await alice.get("/v1/me")).json()["user_id"])
    number = {"service_code": SERVICE, "country_code": COUNTRY}
    bob = service.user(await shop.new_user())
    async with shop.operator.transaction():
        await shop.operator.execute("select sonnette.credit(%s, 1, 'lunch')", (user,))
        held = [asyncio.create_task(alice.post("/v1/activations", json=number)) for _ in range(20)]
        now = {"Prefer": "wait=0"}
        async with asyncio.timeout(4):
            for _ in range(5):
                answer = await bob.post("/v1/activations", json=number, headers=now)
                assert answer.status_code == 202
        for answer in await asyncio.gather(*held):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    await bob.aclose()
    me = (await alice.get("/v1/me")).json()
    assert (me["balance"], me["frozen"]) == ("11.00", "0.00")


async def test_a_line_that_carries_nothing_is_a_503_and_not_an_endless_wait(
    database: Database, shop: Market
) -> None:
    """Half-open: nothing is refused and nothing is closed, and every connection is on that line."""
    user = await shop.new_user()
    async with line(database) as only:
        dsn = through(only, database, "sonnette_service")
        async with (
            running_service(database, database_url=dsn) as service,
            service.user(user) as client,
        ):
            assert (await client.get("/v1/me")).status_code == httpx.codes.OK
            only.black_hole()
            async with asyncio.timeout(30):
                assert (await client.get("/v1/me")).status_code == 503
            only.heal()
            await eventually(lambda: answers(client), 20)


async def answers(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/me")).status_code == httpx.codes.OK


async def test_a_transaction_whose_answer_never_comes_is_given_up(database: Database) -> None:
    async with line(database) as only:
        dsn = through(only, database, "sonnette_service")
        async with opened(dsn, transaction_limit_s=0.5) as pooled:

            async def lost(connection: Connection) -> None:
                only.black_hole()
                await connection.execute("select 1")

            with pytest.raises(NoAnswer, match="no answer to a transaction"):
                await pooled.read(lost)
            only.heal()
            await pooled.check()
