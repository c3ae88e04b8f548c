"""Idempotency-Key: the same request does its work once and is answered alike, whatever happens."""

import asyncio
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service
from tests.market import COUNTRY, SERVICE, Market
from tests.service_process import service_process

NUMBER = {"service_code": SERVICE, "country_code": COUNTRY}


async def buy(
    client: httpx.AsyncClient, key: str | None, wait_s: int = 0, **more: str
) -> httpx.Response:
    keyed = {} if key is None else {"Idempotency-Key": key}
    headers = {"Prefer": f"wait={wait_s}", **keyed}
    return await client.post("/v1/activations", json={**NUMBER, **more}, headers=headers)


async def bought(shop: Market) -> list[UUID]:
    cursor = await shop.operator.execute("select id from public.activations order by created_at")
    return [row[0] for row in await cursor.fetchall()]


async def user_of(client: httpx.AsyncClient) -> UUID:
    return UUID((await client.get("/v1/me")).json()["user_id"])


def assert_replayed(again: httpx.Response, first: httpx.Response) -> None:
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("content-type", "location", "sonnette-feed-seq", "cache-control"):
        assert again.headers.get(header) == first.headers.get(header), header


async def test_the_same_request_again_is_answered_alike_and_buys_nothing(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    first = await buy(alice, "one")
    assert first.status_code == 202
    assert "idempotency-replayed" not in first.headers
    await shop.bring_number(UUID(first.json()["id"]))
    again = await buy(alice, "one", wait_s=5)
    assert_replayed(again, first)
    assert again.json()["status"] == "requested"  # as it was told then
    assert len(await bought(shop)) == 1
    assert (await alice.get("/v1/me")).json()["frozen"] == "0.50"


async def test_without_a_key_each_request_buys(alice: httpx.AsyncClient, shop: Market) -> None:
    for _ in range(2):
        answer = await buy(alice, None)
        assert "idempotency-replayed" not in answer.headers
    assert len(await bought(shop)) == 2


async def test_the_same_body_may_be_written_otherwise(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    first = await buy(alice, "one")
    body = f'{{ "country_code": "{COUNTRY}",\n  "service_code": "{SERVICE}" }}'
    headers = {"Idempotency-Key": "one", "Content-Type": "application/json", "Prefer": "wait=0"}
    again = await alice.post("/v1/activations", content=body, headers=headers)
    assert_replayed(again, first)


async def test_another_body_under_the_same_key_is_422(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    await buy(alice, "one")
    answer = await buy(alice, "one", max_price="0.60")
    assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert len(await bought(shop)) == 1


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb", "caf\u00e9"])
async def test_a_malformed_key_is_400_and_nothing_is_bought(
    alice: httpx.AsyncClient, shop: Market, key: str
) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = await alice.post("/v1/activations", json=NUMBER, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")
    assert await bought(shop) == []


async def test_a_key_given_twice_is_400(alice: httpx.AsyncClient, shop: Market) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    answer = await alice.post("/v1/activations", json=NUMBER, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_255_characters_are_a_key(alice: httpx.AsyncClient, shop: Market) -> None:
    key = ("all of '%\\\"~" * 30)[:255]
    first = await buy(alice, key)
    assert_replayed(await buy(alice, key), first)


async def test_a_key_belongs_to_its_user_and_its_route(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    first = await buy(alice, "one")
    async with service.user(await shop.new_user()) as bob:
        assert "idempotency-replayed" not in (await buy(bob, "one")).headers
    activations = await bought(shop)
    assert len(activations) == 2
    await shop.bring_number(UUID(first.json()["id"]))
    later = {"Idempotency-Key": "one", "Prefer": "wait=0"}
    checked = await alice.post(f"/v1/activations/{first.json()['id']}/check", headers=later)
    assert checked.status_code == 202
    assert "idempotency-replayed" not in checked.headers


async def test_a_refusal_is_repeated_too(service: RunningService, shop: Market) -> None:
    poor = await shop.new_user("0.30")
    async with service.user(poor) as client:
        first = await buy(client, "one")
        assert first.status_code == 402
        await shop.credit(poor, "1.00")
        assert_replayed(await buy(client, "one"), first)
        assert (await buy(client, "two")).status_code == 202


async def test_a_purchase_that_failed_is_repeated_with_its_seq(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    buying = asyncio.create_task(buy(alice, "one", wait_s=30))
    [activation] = await eventually(lambda: bought(shop))
    await shop.poller.execute("select sonnette.purchase_failed(%s, 'no_numbers')", (activation,))
    first = await asyncio.wait_for(buying, 10)
    assert (first.status_code, first.json()["code"]) == (409, "no_numbers")
    assert "sonnette-feed-seq" in first.headers
    assert_replayed(await buy(alice, "one", wait_s=30), first)
    assert len(await bought(shop)) == 1


async def test_twenty_at_once_buy_one_number(alice: httpx.AsyncClient, shop: Market) -> None:
    answers = await asyncio.gather(*(buy(alice, "one") for _ in range(20)))
    assert len(await bought(shop)) == 1
    assert (await alice.get("/v1/me")).json()["frozen"] == "0.50"
    fresh = [answer for answer in answers if answer.status_code == 202]
    for refused in (answer for answer in answers if answer.status_code != 202):
        assert (refused.status_code, refused.json()["code"]) == (409, "key_in_use")
        assert int(refused.headers["retry-after"]) >= 1
    assert len({answer.content for answer in fresh}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in fresh) == 1
    assert_replayed(await buy(alice, "one"), fresh[0])


async def test_while_the_first_runs_the_second_is_409_and_then_it_is_answered_alike(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    buying = asyncio.create_task(buy(alice, "one", wait_s=30))
    [activation] = await eventually(lambda: bought(shop))
    second = await buy(alice, "one", wait_s=30)
    assert (second.status_code, second.json()["code"]) == (409, "key_in_use")
    assert int(second.headers["retry-after"]) >= 1
    await shop.bring_number(activation)
    first = await asyncio.wait_for(buying, 10)
    assert first.status_code == 201
    assert_replayed(await buy(alice, "one"), first)


@pytest.mark.parametrize("kind", ["check", "cancel"])
async def test_what_is_asked_of_the_provider_is_asked_once(
    alice: httpx.AsyncClient, shop: Market, kind: str
) -> None:
    activation = await shop.pending(await user_of(alice))
    path, headers = f"/v1/activations/{activation}/{kind}", {"Idempotency-Key": "one"}
    first = await alice.post(path, headers=headers | {"Prefer": "wait=0"})
    assert first.status_code == 202, first.text
    await shop.poller.execute("select sonnette.request_done(id, 'done') from sonnette.requests")
    again = await alice.post(path, json={}, headers=headers)
    assert_replayed(again, first)
    cursor = await shop.owner.execute("select count(*) from sonnette.requests")
    assert await cursor.fetchone() == (1,)


async def test_a_refusal_that_invites_another_try_is_not_kept(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    moved = "update public.activations set cancel_after = now() + %s::interval where id = %s"
    await shop.owner.execute(moved, ("1 hour", activation))
    path = f"/v1/activations/{activation}/cancel"
    headers = {"Idempotency-Key": "one", "Prefer": "wait=0"}
    early = await alice.post(path, headers=headers)
    assert (early.status_code, early.json()["code"]) == (409, "too_early")
    await shop.owner.execute(moved, ("-1 hour", activation))
    assert (await alice.post(path, headers=headers)).status_code == 202


async def test_a_purchase_survives_a_kill_between_doing_and_answering(
    database: Database, shop: Market, tmp_path: Path
) -> None:
    user = await shop.new_user()
    dsn = database.dsn("sonnette_service")
    async with service_process(dsn, tmp_path / "log") as service, service.user(user) as client:
        buying = asyncio.create_task(buy(client, "one", wait_s=30))
        [activation] = await eventually(lambda: bought(shop))
        service.kill()
        with pytest.raises(httpx.TransportError):
            await buying
        await service.start()
        later = await eventually(lambda: settled_buy(client, "one"))
        assert later is not None
        assert later.headers["idempotency-replayed"] == "true"
        assert (later.status_code, later.json()["id"]) == (202, str(activation))
        assert int(later.headers["sonnette-feed-seq"]) == await shop.feed_seq(user)
        await shop.bring_number(activation)
        assert_replayed(await buy(client, "one", wait_s=30), later)
    assert await bought(shop) == [activation]


async def settled_buy(client: httpx.AsyncClient, key: str) -> httpx.Response | None:
    """The answer, once Postgres has noticed that the killed one's connections are gone."""
    answer = await buy(client, key)
    return None if answer.status_code == 409 else answer


CLAIM = """
    update sonnette.idempotency_keys
    set status = null, headers = null, body = null,
        running_until = now() + %s::interval, backend_pid = pg_backend_pid()
"""


async def test_a_service_that_lives_but_never_answers_is_waited_for_until_its_time_is_up(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    first = await buy(alice, "one")
    await shop.owner.execute(CLAIM, ("1 minute",))
    running = await buy(alice, "one")
    assert (running.status_code, running.json()["code"]) == (409, "key_in_use")
    await shop.owner.execute(CLAIM, ("-1 second",))
    await shop.bring_number(UUID(first.json()["id"]))
    resumed = await buy(alice, "one")
    assert (resumed.status_code, resumed.json()["id"]) == (201, first.json()["id"])
    assert resumed.headers["idempotency-replayed"] == "true"
    assert len(await bought(shop)) == 1


async def test_a_key_is_forgotten_after_a_day(
    service: RunningService, alice: httpx.AsyncClient, shop: Market, database: Database
) -> None:
    await buy(alice, "old")
    await buy(alice, "older")
    await shop.owner.execute("update sonnette.idempotency_keys set at = now() - interval '25 h'")
    await buy(alice, "new")
    assert "idempotency-replayed" not in (await buy(alice, "old")).headers
    assert len(await bought(shop)) == 4
    async with running_service(database):  # one that starts cleans up

        async def kept() -> bool:
            cursor = await shop.owner.execute(
                "select array_agg(key order by key) from sonnette.idempotency_keys"
            )
            return await cursor.fetchone() == (["new", "old"],)

        await eventually(kept)


async def test_while_the_database_is_away_the_key_stays_free(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    async with shop.operator.transaction():
        await shop.operator.execute("select sonnette.credit(%s, 1, 'lunch')", (user,))
        held = await buy(alice, "one")
        assert (held.status_code, held.json()["code"]) == (503, "unavailable")
    assert (await buy(alice, "one")).status_code == 202
    assert len(await bought(shop)) == 1
