"""The feed over HTTP: the cursor, the wait, and what cannot be served."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from tests.facts import eventually
from tests.fixtures.service import RunningService
from tests.market import Connection, Market


async def user_of(client: httpx.AsyncClient) -> UUID:
    return UUID((await client.get("/v1/me")).json()["user_id"])


async def changes(client: httpx.AsyncClient, **query: str | int) -> httpx.Response:
    return await client.get("/v1/changes", params=query)


async def test_the_whole_feed_without_a_gap_in_pages(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    await shop.received(user, "358042")
    seen, after, more = [], 0, True
    while more:
        page = (await changes(alice, after=after, limit=2)).json()
        seen += page["changes"]
        after, more = page["feed_seq"], page["more"]
        assert len(page["changes"]) == 2 or not more
    assert [change["feed_seq"] for change in seen] == list(range(1, len(seen) + 1))
    assert after == await shop.feed_seq(user)
    assert {change["table"] for change in seen} == {"wallets", "activations", "messages"}


async def test_a_change_has_the_whole_rows_as_the_rest_of_the_api_shows_them(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "358042")
    page = (await changes(alice, after=0)).json()
    [change] = [c for c in page["changes"] if (c["record"] or {}).get("status") == "received"]
    assert list(change) == [
        "feed_seq", "type", "schema", "table", "commit_timestamp", "record", "old_record"
    ]  # fmt: skip
    assert (change["type"], change["schema"], change["table"]) == (
        "UPDATE",
        "public",
        "activations",
    )
    assert change["old_record"]["status"] == "pending"
    assert change["commit_timestamp"].endswith("Z")
    shown = (await alice.get(f"/v1/activations/{activation}")).json()
    del shown["messages"]
    assert change["record"] == shown


async def test_an_insert_has_no_old_row_and_a_delete_no_new_one(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.buy(await user_of(alice))
    await shop.delete(activation)
    page = (await changes(alice, after=0)).json()
    of_row = [c for c in page["changes"] if c["table"] == "activations"]
    assert [c["type"] for c in of_row] == ["INSERT", "DELETE"]
    assert (of_row[0]["old_record"], of_row[1]["record"]) == (None, None)
    assert of_row[1]["old_record"]["id"] == str(activation)


async def test_a_wait_ends_with_the_change(alice: httpx.AsyncClient, shop: Market) -> None:
    user = await user_of(alice)
    activation = await shop.pending(user)
    after = await shop.feed_seq(user)
    waiting = asyncio.create_task(changes(alice, after=after, wait=30))
    # The fence: this answer proves that the service has the first request, too.
    assert (await changes(alice, after=after)).json()["changes"] == []
    await shop.bring_code(activation, "358042")
    page = (await asyncio.wait_for(waiting, 5)).json()
    assert page["feed_seq"] > after
    assert page["changes"][0]["feed_seq"] == after + 1


async def test_a_wait_without_a_change_is_an_empty_page(alice: httpx.AsyncClient) -> None:
    seq = (await alice.get("/v1/me")).json()["feed_seq"]
    page = (await changes(alice, after=seq, wait=1)).json()
    assert (page["changes"], page["feed_seq"], page["more"]) == ([], seq, False)


async def test_without_a_cursor_only_what_comes_from_now_on(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    activation = await shop.pending(user)
    page = (await changes(alice)).json()
    assert (page["changes"], page["feed_seq"]) == ([], await shop.feed_seq(user))
    await shop.note(activation, "three")
    [change] = (await changes(alice, after=page["feed_seq"])).json()["changes"]
    assert change["record"]["operator"] == "three"


async def test_the_list_and_the_feed_join_without_a_gap(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    page = (await alice.get("/v1/activations")).json()
    await shop.note(activation, "three")
    found = (await changes(alice, after=page["feed_seq"], epoch=page["epoch"])).json()
    assert [c["record"]["operator"] for c in found["changes"]] == ["three"]
    assert found["epoch"] == page["epoch"]


async def test_a_cursor_ahead_of_the_feed_is_409(alice: httpx.AsyncClient) -> None:
    me = (await alice.get("/v1/me")).json()
    answer = await changes(alice, after=me["feed_seq"] + 1, wait=30)
    assert (answer.status_code, answer.json()["code"]) == (409, "cursor_ahead")
    assert answer.json()["feed_seq"] == me["feed_seq"]
    assert answer.json()["epoch"] == me["epoch"]


async def test_a_cursor_of_another_history_is_409(alice: httpx.AsyncClient, db: Connection) -> None:
    me = (await alice.get("/v1/me")).json()
    await db.execute("select sonnette.new_epoch()")
    answer = await changes(alice, after=me["feed_seq"], epoch=me["epoch"])
    assert (answer.status_code, answer.json()["code"]) == (409, "other_history")
    assert answer.json()["epoch"] == (await alice.get("/v1/me")).json()["epoch"] != me["epoch"]


async def test_a_cursor_of_another_user_is_of_another_history(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    me = (await alice.get("/v1/me")).json()
    async with service.user(await shop.new_user()) as bob:
        answer = await changes(bob, after=me["feed_seq"], epoch=me["epoch"])
    assert (answer.status_code, answer.json()["code"]) == (409, "other_history")


async def test_a_cursor_older_than_the_log_is_410(
    alice: httpx.AsyncClient, shop: Market, db: Connection
) -> None:
    user = await user_of(alice)
    await shop.received(user, "358042")
    await db.execute("delete from sonnette.numbers where user_id = %s and seq <= 3", (user,))
    answer = await changes(alice, after=2)
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_too_old")
    assert answer.json()["feed_seq"] == await shop.feed_seq(user)
    assert (await changes(alice, after=3)).json()["changes"][0]["feed_seq"] == 4


async def test_a_log_that_is_pruned_between_two_pages_is_410_and_then_goes_on(
    alice: httpx.AsyncClient, shop: Market, db: Connection
) -> None:
    user = await user_of(alice)
    await shop.received(user, "358042")
    first = (await changes(alice, after=0, limit=2)).json()
    assert first["more"]
    await prune_everything(db)
    answer = await changes(alice, after=first["feed_seq"], epoch=first["epoch"])
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_too_old")
    listed = (await alice.get("/v1/activations")).json()
    assert (await changes(alice, after=listed["feed_seq"])).json()["changes"] == []
    await shop.credit(user, "1.00")
    found = (await changes(alice, after=listed["feed_seq"])).json()["changes"]
    assert [change["feed_seq"] for change in found] == [listed["feed_seq"] + 1]


async def prune_everything(db: Connection) -> None:
    """What a service with a very short retention would do."""
    await db.execute("select sonnette.prune(interval '0', 100000)")


@pytest.mark.parametrize("missing", [1, 3])
async def test_a_hole_in_a_feed_is_never_served_over(
    alice: httpx.AsyncClient, shop: Market, db: Connection, missing: int
) -> None:
    user = await user_of(alice)
    await shop.received(user, "358042")
    await db.execute(
        "delete from sonnette.numbers where user_id = %s and seq = %s", (user, missing)
    )
    answer = await changes(alice, after=0)
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_too_old")
    assert (await changes(alice, after=missing)).json()["changes"][0]["feed_seq"] == missing + 1


async def test_cursors_into_an_empty_feed(service: RunningService) -> None:
    async with service.user(uuid4()) as stranger:
        me = (await stranger.get("/v1/me")).json()
        assert (await changes(stranger, after=0, epoch=me["epoch"])).status_code == 200
        ahead = await changes(stranger, after=1, epoch=me["epoch"])
        assert (ahead.status_code, ahead.json()["feed_seq"]) == (409, 0)


async def test_an_epoch_is_looked_at_without_a_cursor_too(alice: httpx.AsyncClient) -> None:
    me = (await alice.get("/v1/me")).json()
    assert (await changes(alice, epoch=me["epoch"])).json()["feed_seq"] == me["feed_seq"]
    answer = await changes(alice, epoch="0" * 16)
    assert (answer.status_code, answer.json()["code"]) == (409, "other_history")


async def test_a_table_that_is_put_on_the_feed_is_there(
    alice: httpx.AsyncClient, db: Connection
) -> None:
    """Also: a column that is added later, one that has been dropped since, a schema of others."""
    user = await user_of(alice)
    await db.execute("create schema shop")
    await db.execute("create table shop.orders (id int primary key, user_id uuid, worth numeric)")
    await db.execute("select sonnette.watch('shop.orders', 'user_id')")
    await db.execute("insert into shop.orders values (1, %s, 1.5)", (user,))
    await changes(alice, after=0)
    await db.execute("alter table shop.orders add column at timestamptz, drop column worth")
    await db.execute("update shop.orders set at = '2026-01-01 01:00+01'")
    page = (await changes(alice, after=0)).json()
    first, second = [c["record"] for c in page["changes"] if c["table"] == "orders"]
    assert first == {"id": 1, "user_id": str(user), "worth": "1.5"}
    assert second == {"id": 1, "user_id": str(user), "at": "2026-01-01T00:00:00Z"}


async def test_waiting_is_limited_for_each_user(service: RunningService, shop: Market) -> None:
    async with service.user(await shop.new_user()) as client:
        seq = (await client.get("/v1/me")).json()["feed_seq"]
        waiting = [asyncio.create_task(changes(client, after=seq, wait=5)) for _ in range(21)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refused = done.pop().result()
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
        assert int(refused.headers["retry-after"]) >= 1
        # Others, and this user's other requests, go on.
        assert (await client.get("/v1/me")).status_code == 200
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_who_hangs_up_waits_no_longer(service: RunningService, shop: Market) -> None:
    user = await shop.new_user()
    for _ in range(2):
        async with service.user(user) as client:
            seq = (await client.get("/v1/me")).json()["feed_seq"]
            waiting = [asyncio.create_task(changes(client, after=seq, wait=30)) for _ in range(20)]
            await all_wait(client, 20)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        async with service.client() as client:
            await all_wait(client, 0)


async def all_wait(client: httpx.AsyncClient, number: int) -> None:
    async def as_many() -> bool:
        metrics = (await client.get("/metrics")).text
        return f"sonnette_service_waiting {float(number)}" in metrics

    await eventually(as_many)


@pytest.mark.parametrize("query", ["after=1&after=2", "afetr=1", "after=x", "limit=many"])
async def test_a_query_that_cannot_be_read_is_400(alice: httpx.AsyncClient, query: str) -> None:
    answer = await alice.get(f"/v1/changes?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.json()["field"] == query.partition("=")[0]


@pytest.mark.parametrize("query", ["after=-1", "wait=31", "wait=-1", "limit=0", "limit=1001"])
async def test_a_query_out_of_bounds_is_422(alice: httpx.AsyncClient, query: str) -> None:
    answer = await alice.get(f"/v1/changes?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
    assert answer.json()["field"] == query.partition("=")[0]


async def test_a_user_of_whom_nobody_has_heard_has_an_empty_feed(service: RunningService) -> None:
    async with service.user(uuid4()) as stranger:
        page = (await changes(stranger, after=0)).json()
        assert (page["changes"], page["feed_seq"], page["more"]) == ([], 0, False)
