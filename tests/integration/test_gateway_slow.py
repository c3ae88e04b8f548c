"""Clients that read slowly, hardly, or not at all: each gets what it reads, and nobody waits."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from tests.db_helpers import ALICE, BOB, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import cargo, follower, role_key, wire
from tests.integration.test_gateway_bad_input import counted
from tests.integration.test_gateway_failures import all_seen, writing
from tests.proxy import proxy, to_port
from tests.slow import dripped, slow_wire

BACKLOG = 100_000
BACKLOG_LIMIT_S = 60  # 5 where the machine is free
NUMBERS = '"feed_seq":%d,"feed_prev":%d}'
STUCK_LIMIT_S = 30  # the gateway's 10 and what a busy machine adds
MANY = "insert into cargo select n, %s, repeat('x', %s) from generate_series(%s::int, %s::int) n"


async def test_a_long_replay_comes_whole_and_in_order_to_who_reads_slowly(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    """50 MB, fifty times what a socket may leave unread; what is new comes to others meanwhile."""
    await cargo_db.execute(MANY, (ALICE, 50_000, 1, 1000))
    async with (
        slow_wire(gateway) as slow,
        wire(gateway) as hers,
        follower(gateway, BOB) as other,
    ):
        await hers.subscribe(token(ALICE), cargo())
        await slow.subscribe(token(ALICE), cargo(since=0))
        for number in range(1, 1001):
            seen = await slow.change()
            assert (seen.seq, seen.prev) == (number, number - 1)
            if number == 300:
                await cargo_db.execute(MANY, (BOB, 1, 2001, 2001))
                await cargo_db.execute(MANY, (ALICE, 1, 2002, 2002))
                await eventually(lambda: other.numbers == [1])
                assert (await hers.change()).seq == 1001
        assert (await slow.change()).seq == 1001
        assert await counted(gateway, "sockets_cut_total") == 0


async def test_of_a_long_backlog_little_is_fetched_for_a_client_that_reads_nothing(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    """Neither by the gateway nor into the system's buffer, which alone could take 4 MB."""
    await cargo_db.execute(MANY, (ALICE, 10_000, 1, 1000))
    async with wire(gateway) as frozen, follower(gateway, BOB) as other:
        before = await counted(gateway, "frames_out_total")
        await frozen.join(token(ALICE), cargo(since=0))
        frozen.connection.transport.pause_reading()

        async def fetched() -> float:
            return await counted(gateway, "frames_out_total") - before

        async def begun() -> bool:
            return await fetched() > 20

        await eventually(begun)
        for number in range(1, 31):  # each of them is a turn for the backlog, too
            await cargo_db.execute(MANY, (BOB, 1, 1000 + number, 1000 + number))
            await eventually(lambda count=number: len(other.numbers) == count)  # type: ignore[misc]
        assert await fetched() < 200
        assert other.sockets == 1
        frozen.connection.transport.abort()


async def test_a_hundred_thousand_changes_are_replayed_while_others_are_live(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    """One user's, made by one statement: whole, in order, once. And nobody waits for its end."""
    await cargo_db.execute(MANY, (ALICE, 1, 1, BACKLOG))
    async with follower(gateway, BOB) as other, asyncio.timeout(BACKLOG_LIMIT_S):
        await eventually(lambda: other.sockets)
        async with writing(cargo_db, BOB, BACKLOG) as written, wire(gateway) as away:
            await away.subscribe(token(ALICE), cargo(since=0))
            soon = 0
            for number in range(1, BACKLOG + 1):
                text = await away.connection.recv(decode=True)
                assert NUMBERS % (number, number - 1) in text, text
                if number == BACKLOG // 10:
                    soon = len(other.numbers)
            assert len(other.numbers) > soon + 10, "live changes came during the replay"
            await cargo_db.execute(MANY, (ALICE, 1, 0, 0))
            assert (await away.change()).seq == BACKLOG + 1, "the fence: none came twice"
        await all_seen(other, written)


async def test_who_reads_nothing_hardly_anything_or_has_vanished_is_gone_and_resumes(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with (
        proxy(to_port(urlsplit(gateway.url).port or 0)) as line,
        slow_wire(gateway) as frozen,
        slow_wire(gateway) as dripping,
        slow_wire(gateway, line.port) as vanished,
        follower(gateway, BOB) as other,
    ):
        for one in (frozen, dripping, vanished):
            await one.subscribe(token(ALICE), cargo())
            one.connection.transport.pause_reading()
        line.black_hole()
        await cargo_db.execute(MANY, (ALICE, 100_000, 1, 300))
        async with dripped(dripping):
            for number in range(1, 11):
                await cargo_db.execute(MANY, (BOB, 1, 1000 + number, 1000 + number))
                await eventually(lambda count=number: len(other.numbers) == count)  # type: ignore[misc]
            await eventually(lambda: all_cut(gateway, 3), STUCK_LIMIT_S)
        assert gateway.logged().count('"reason": "not reading"') == 3
        assert other.sockets == 1
    async with wire(gateway) as back:
        await back.subscribe(token(ALICE), cargo(since=0))
        assert [(await back.change()).seq for _ in range(300)] == list(range(1, 301))


async def all_cut(gateway: GatewayProcess, count: int) -> bool:
    return await counted(gateway, 'sockets_cut_total{reason="not reading"}') == count


async def test_a_burst_of_one_user_is_served_in_turns_with_the_others(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    """Committed with ten thousand others, bob's one change is among the first on this socket."""
    async with wire(gateway, key=role_key("service_role")) as both:
        for user in (ALICE, BOB):
            binding = cargo(filter=f"owner=eq.{user}")
            await both.join(None, binding, topic=f"realtime:{user}")
            assert [(await both.frame())["event"] for _ in range(2)] == ["phx_reply", "system"]
        async with cargo_db.transaction():
            await cargo_db.execute(MANY, (ALICE, 1, 1, 10_000))
            await cargo_db.execute(MANY, (BOB, 1, 10_001, 10_001))
        owners = [(await both.change()).row["owner"] for _ in range(10_001)]
        assert owners.index(str(BOB)) < 1000
        assert owners.count(str(ALICE)) == 10_000


async def test_where_all_together_leave_too_much_unread_the_most_of_it_goes(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    async with (
        gateway_process(dsn, log, SONNETTE_MAX_BUFFERED_BYTES="100000") as gateway,
        slow_wire(gateway) as frozen,
        follower(gateway, BOB) as other,
    ):
        await frozen.subscribe(token(ALICE), cargo())
        frozen.connection.transport.pause_reading()
        await cargo_db.execute(MANY, (ALICE, 100_000, 1, 100))
        await cargo_db.execute(MANY, (BOB, 1, 1001, 1001))
        await eventually(lambda: other.numbers == [1])
        await eventually(lambda: '"reason": "memory"' in gateway.logged())
        assert other.sockets == 1
        async with wire(gateway) as back:
            await back.subscribe(token(ALICE), cargo(since=0))
            assert [(await back.change()).seq for _ in range(100)] == list(range(1, 101))
