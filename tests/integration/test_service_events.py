"""GET /v1/events: the same changes as /v1/changes, as they happen, resumed without a gap."""

import asyncio
import contextlib
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest

from process.tokens import mint
from service.limits import MAX_WAITING_PER_USER
from tests.event_source import EventReader, listening
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import SECRET, RunningService, token
from tests.market import Market
from tests.outage import away
from tests.service_process import service_process


async def user_of(client: httpx.AsyncClient) -> UUID:
    return UUID((await client.get("/v1/me")).json()["user_id"])


async def changes(client: httpx.AsyncClient, after: int) -> list[dict[str, object]]:
    answer = await client.get(f"/v1/changes?after={after}&limit=1000")
    found: list[dict[str, object]] = answer.json()["changes"]
    return found


async def assert_follows(reader: EventReader, client: httpx.AsyncClient, after: int) -> int:
    """The stream's next events are what /v1/changes has after that number; the last one's."""
    expected = await changes(client, after)
    assert expected
    for change in expected:
        event = await reader.next()
        assert (event.name, event.id) == ("change", str(change["feed_seq"]))
        assert event.data == change
    return int(reader.last_id)


async def open_streams(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    found = re.search(r"^sonnette_service_streams (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


async def test_a_change_comes_as_it_is_committed_and_reads_as_in_changes(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    start = await shop.feed_seq(user)
    async with listening(alice) as reader:
        await reader.opened()
        await shop.received(user, "358042")
        assert await assert_follows(reader, alice, start) == await shop.feed_seq(user)
        seen = await shop.feed_seq(user)
        await shop.credit(user, "1.00")
        await assert_follows(reader, alice, seen)


async def test_a_stream_cut_off_before_its_first_change_knows_where_it_began(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    async with alice.stream("GET", "/v1/events") as answer:
        lines = answer.aiter_lines()
        opening = [await anext(lines) for _ in range(3)]
    start = await shop.feed_seq(user)
    assert re.fullmatch(r"retry: [12]\d{3}", opening[0])
    assert opening[1:] == [f"id: {start}", ""]
    await shop.buy(user)
    async with listening(alice, last_event_id=start) as reader:
        await assert_follows(reader, alice, start)


@pytest.mark.parametrize("how", ["?after={}", "?after=0", "", "?after=&epoch="])
async def test_it_resumes_after_the_last_event_id_and_that_goes_before_after(
    alice: httpx.AsyncClient, shop: Market, how: str
) -> None:
    user = await user_of(alice)
    await shop.received(user, "358042")
    middle = await shop.feed_seq(user) - 3
    header = None if "{}" in how else middle
    async with listening(alice, how.format(middle), header) as reader:
        await assert_follows(reader, alice, middle)
        seen = await shop.feed_seq(user)
        await shop.credit(user, "1.00")
        await assert_follows(reader, alice, seen)


async def test_it_may_begin_at_the_start_and_takes_many_pages(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    for _ in range(10):
        await shop.received(user, "358042")
    await shop.operator.execute("update public.activations set operator = 'b'")
    for note in range(25):
        await shop.operator.execute("update public.activations set operator = %s", (str(note),))
    async with listening(alice, "?after=0") as reader:
        assert await assert_follows(reader, alice, 0) == await shop.feed_seq(user) > 300


async def test_nobody_sees_another_users_changes(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    bob = await shop.new_user()
    async with service.user(bob) as client, listening(client) as reader:
        await reader.opened()
        await shop.received(await user_of(alice), "358042")
        await shop.credit(bob, "1.00")  # the fence: it is the first to arrive
        event = await reader.next()
        assert (event.data["table"], event.data["record"]["user_id"]) == ("wallets", str(bob))


async def test_a_cursor_that_is_lost_is_a_resync_and_then_it_is_live(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    await shop.received(user, "358042")
    me = (await alice.get("/v1/me")).json()
    ahead, other = f"?after={me['feed_seq'] + 1}", f"?after=1&epoch={'0' * 16}"
    for query, message in ((ahead, "cursor ahead"), (other, "other history")):
        async with listening(alice, query) as reader:
            lost = await reader.next()
            assert (lost.name, lost.id) == ("resync", str(me["feed_seq"]))
            expected = {"feed_seq": me["feed_seq"], "epoch": me["epoch"]}
            assert lost.data == {"message": message, **expected}
    await shop.owner.execute("delete from sonnette.numbers where seq < 4")
    async with listening(alice, last_event_id=1) as reader:
        lost = await reader.next()
        assert (lost.name, lost.data["message"]) == ("resync", "cursor too old")
        await shop.credit(user, "1.00")
        await assert_follows(reader, alice, me["feed_seq"])


async def test_pruning_in_the_middle_of_a_slow_readers_replay_is_told_and_then_it_is_live(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    """50 MB, which no socket buffer holds: the last pages are read when the reader has read on."""
    user = await user_of(alice)
    await shop.owner.execute("create table cargo (id int primary key, owner uuid, note text)")
    await shop.owner.execute("select sonnette.watch('cargo', 'owner')")
    start = await shop.feed_seq(user)
    await shop.owner.execute(
        "insert into cargo select i, %s, repeat('x', 100000) from generate_series(1, 500) i",
        (user,),
    )
    async with listening(alice, f"?after={start}") as reader:
        seen = [await reader.next()]
        await shop.owner.execute("select sonnette.prune(interval '0', 1000)")
        while seen[-1].name == "change":
            seen.append(await reader.next())
        assert len(seen) < 500, "it was in the middle"
        assert [int(one.id) for one in seen[:-1]] == list(range(start + 1, start + len(seen)))
        assert (seen[-1].name, seen[-1].data["message"]) == ("resync", "cursor too old")
        assert seen[-1].data["feed_seq"] == start + 500
        await shop.credit(user, "1.00")
        await assert_follows(reader, alice, start + 500)


async def test_a_new_history_is_said_to_those_who_listen(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    async with listening(alice) as reader:
        await reader.opened()
        await shop.renew_history()
        await shop.credit(user, "1.00")
        event = await reader.next()
    me = (await alice.get("/v1/me")).json()
    assert (event.name, event.data["message"]) == ("resync", "other history")
    assert (event.data["epoch"], event.data["feed_seq"]) == (me["epoch"], me["feed_seq"])


async def test_the_token_may_stand_in_the_url_of_this_route_alone(
    service: RunningService, shop: Market
) -> None:
    user = await shop.new_user()
    async with service.client() as client:
        async with listening(client, f"?access_token={token(user)}&after=0") as reader:
            assert (await reader.next()).data["record"]["user_id"] == str(user)
        for path in ("/v1/me", "/v1/changes", "/v1/activations"):
            answer = await client.get(f"{path}?access_token={token(user)}")
            assert (answer.status_code, answer.json()["field"]) == (400, "access_token")
        assert (await client.get("/v1/events")).status_code == 401
        assert (await client.get("/v1/events?access_token=junk")).status_code == 401


async def test_a_token_in_the_url_is_in_no_log_line_and_no_metric(
    database: Database, shop: Market, tmp_path: Path
) -> None:
    user = await shop.new_user()
    bearer = token(user)
    dsn, path = database.dsn("sonnette_service"), f"/v1/events?access_token={bearer}"
    settings = {"SONNETTE_LOG_LEVEL": "DEBUG"}
    async with service_process(dsn, tmp_path / "log", **settings) as service:
        async with service.user(user) as client:
            async with client.stream("GET", path, headers={"Authorization": ""}) as answer:
                assert answer.status_code == 401
            del client.headers["authorization"]
            async with client.stream("GET", path) as answer:
                assert answer.status_code == 200
            assert (await client.get(f"{path}&after=junk")).status_code == 400
            assert (await client.get(f"{path}&limit=1")).status_code == 400
            metrics = (await client.get("/metrics")).text
        said = service.logged() + metrics
    assert bearer not in said
    assert "access_token" not in said


async def test_the_end_of_the_token_is_the_end_of_the_stream(
    service: RunningService, shop: Market
) -> None:
    user = await shop.new_user()
    short = mint(SECRET, user, datetime.now(UTC), 4)
    async with service.client(short) as client, listening(client, "?after=0") as reader:
        await reader.take(await shop.feed_seq(user))
        last = await reader.next()
        assert last.name == "token_refused"
        assert last.data["code"] == "token_refused"
        assert last.data["detail"].startswith("Token has expired")
        assert await reader.next_or_end() is None


async def test_a_user_has_so_many_streams_and_a_closed_one_is_given_back(
    service: RunningService, alice: httpx.AsyncClient
) -> None:
    limits = httpx.Limits(max_connections=None)
    transport = httpx.AsyncHTTPTransport(limits=limits)
    base, headers = alice.base_url, {"Authorization": alice.headers["authorization"]}
    async with (
        httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client,
        contextlib.AsyncExitStack() as streams,
    ):
        first = await streams.enter_async_context(contextlib.AsyncExitStack())
        await first.enter_async_context(listening(client))
        for _ in range(MAX_WAITING_PER_USER - 1):
            await streams.enter_async_context(listening(client))
        assert await open_streams(alice) == MAX_WAITING_PER_USER
        refused = await client.get("/v1/events")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
        assert int(refused.headers["retry-after"]) >= 1
        await first.aclose()
        await eventually(lambda: is_open(alice, MAX_WAITING_PER_USER - 1))
        await streams.enter_async_context(listening(client))
    await eventually(lambda: is_open(alice, 0))


async def is_open(client: httpx.AsyncClient, count: int) -> bool:
    return await open_streams(client) == count


async def test_a_stop_ends_streams_at_once_and_cleanly(
    database: Database, shop: Market, tmp_path: Path
) -> None:
    user = await shop.new_user()
    dsn = database.dsn("sonnette_service")
    async with service_process(dsn, tmp_path / "log") as service, service.user(user) as client:
        async with listening(client) as reader:
            await reader.opened()
            service.terminate()
            assert await reader.next_or_end(5) is None
        await eventually(service.ended, 5)
        assert service.exit_code == 0


async def test_an_outage_of_the_database_is_waited_out(
    alice: httpx.AsyncClient, shop: Market, database: Database
) -> None:
    user = await user_of(alice)
    start = await shop.feed_seq(user)
    async with listening(alice) as reader:
        await reader.opened()
        async with away(database):
            assert (await alice.get("/v1/me")).status_code == 503
        async with await psycopg.AsyncConnection.connect(database.dsn()) as operator:
            await operator.execute("select sonnette.credit(%s, 1, 'after the outage')", (user,))
        event = await reader.next(30)
        assert (event.name, event.id) == ("change", str(start + 1))


@pytest.mark.parametrize(
    ("query", "headers", "status", "field"),
    [
        ("?after=-1", {}, 422, "after"),
        ("?after=x", {}, 400, "after"),
        ("?since=1", {}, 400, "since"),
        ("", {"Last-Event-ID": "abc"}, 400, "Last-Event-ID"),
        ("", {"Last-Event-ID": "9" * 19}, 400, "Last-Event-ID"),
    ],
)
async def test_bad_input_is_refused(
    alice: httpx.AsyncClient, query: str, headers: dict[str, str], status: int, field: str
) -> None:
    answer = await alice.get(f"/v1/events{query}", headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (status, field)


async def test_head_has_the_headers_and_no_end_to_wait_for(alice: httpx.AsyncClient) -> None:
    answer = await alice.head("/v1/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert await open_streams(alice) == 0


CHANGES_BYTES = 8_000_000  # what the stream would have to say, and more than any buffer


async def taken_until_the_end(lazy: socket.socket) -> int:
    """How much was on its way when the connection was dropped."""
    taken = 0
    with contextlib.suppress(ConnectionResetError):
        while some := await asyncio.get_running_loop().sock_recv(lazy, 65_536):
            taken += len(some)
    return taken


async def test_a_reader_that_takes_nothing_is_cut_off(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    await shop.owner.execute(
        "insert into public.activations (user_id, provider, service_code, country_code, status,"
        " price) select %s, 'simulator', 'wa', '6', 'pending', 0 from generate_series(1, 4000)",
        (user,),
    )
    for note in ("a", "b"):
        await shop.owner.execute("update public.activations set operator = %s", (note,))
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(lazy, (service.address.host, service.address.port))
        asked = f"GET /v1/events?after=0&access_token={token(user)} HTTP/1.1\r\nHost: x\r\n\r\n"
        await loop.sock_sendall(lazy, asked.encode())
        await eventually(lambda: is_open(alice, 1))
        await eventually(lambda: is_open(alice, 0), 40)
        assert await taken_until_the_end(lazy) < CHANGES_BYTES
