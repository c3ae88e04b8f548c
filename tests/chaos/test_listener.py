"""Faults 7 to 15: what may happen to the connection that hears of changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

from psycopg.conninfo import make_conninfo

from db.connect import Standby
from db.hearing import DEAF, POOLER, SILENT
from db.place import DATABASE, PORT
from tests.chaos.backend import ringless
from tests.chaos.conftest import Worlds
from tests.chaos.far import far_world
from tests.chaos.network import needs_network
from tests.chaos.postgres import MARKS, OwnPostgres
from tests.chaos.record import Resynced
from tests.chaos.world import Gateway, World, around
from tests.db_helpers import Connection, value
from tests.facts import eventually
from tests.gateway_process import QuickGateway
from tests.integration.test_gateway_bad_input import counted
from tests.pooler import needs_pgbouncer, pooler
from tests.proxy import proxy, to_socket
from tests.served import free_address
from tests.standby import Pair, connected, pair

FOUND_LIMIT_S = 30  # 8 s where the machine is free
GONE_LIMIT_S = 60  # 20 s, by Postgres' keep-alives
OURS: LiteralString = "from pg_stat_activity where usename = 'sonnette_gateway'"
PIDS: LiteralString = "select array_agg(pid order by pid) " + OURS


async def followed(world: World, users: int = 3) -> None:
    """Some users with a client each, and somebody who writes their rows."""
    ids = [await world.user() for _ in range(users)]
    for user in ids:
        await world.client(user)
    world.writer(*ids)
    await world.more(20)


def by_ports(*ports: int) -> str:
    """The DSN of a gateway whose Postgres is behind one of these ports of this machine."""
    hosts, every = (",".join(map(str, one)) for one in (["127.0.0.1"] * len(ports), ports))
    return make_conninfo(
        "", host=hosts, port=every, user="sonnette_gateway", dbname=DATABASE, sslmode="disable"
    )


async def says(gateway: Gateway, *problems: str) -> None:
    """Return once /readyz names one of these; without any, once it is ready."""

    async def named() -> bool:
        said = await gateway.process.problems()
        return any(one in text for one in problems for text in said) if problems else not said

    await eventually(named, FOUND_LIMIT_S)


def stayed(world: World) -> bool:
    """Every client has kept its first socket."""
    return all(client.record.sockets == 1 for client in world.clients)


async def test_fault_07_its_backends_are_terminated(world: World) -> None:
    """All of a gateway's, again and again; its clients notice nothing."""
    await followed(world)
    for _ in range(5):
        assert await world.terminate("sonnette gateway%") > 0
        await world.more(20)
    await says(world.gateways[0])
    await world.holds()
    assert stayed(world)


async def test_fault_08_a_limit_on_idle_sessions(worlds: Worlds) -> None:
    """Set for the role. Nothing is written until it has ended a session of somebody else's."""
    async with worlds(gateways=0) as world, await world.connected() as db:
        await db.execute("alter role sonnette_gateway set idle_session_timeout = '300ms'")
        gateway = await world.add_gateway()
        client = await world.client(await world.user())
        pids = await value(db, PIDS)
        for _ in range(3):
            await ends_idle(world, db)
        assert await gateway.process.problems() == []
        world.writer(client.record.user)
        await world.more(20)
        await world.holds()
        assert await value(db, PIDS) == pids, "the limit has ended none of its sessions"


async def ends_idle(world: World, db: Connection) -> None:
    """Return once Postgres has ended a session of the gateway's role that did nothing."""
    gone = "select count(*) = 0 from pg_stat_activity where pid = %s"
    async with await world.connected("sonnette_gateway") as idle:
        await eventually(lambda: value(db, gone, idle.info.backend_pid))


@needs_network
async def test_fault_09_packets_are_dropped_without_a_reset(worlds: Worlds) -> None:
    """Found and mended by the gateway; and what it leaves behind, Postgres itself clears away."""
    async with far_world(worlds) as far, await far.world.connected() as db:
        world, line = far.world, far.to_postgres
        gateway = world.gateways[0]
        await followed(world)
        world.timeline.say("network", "drops every packet between gateway and Postgres")
        line.lose()
        await says(gateway, SILENT, DEAF)
        await world.more(20)
        world.timeline.say("network", "carries packets again")
        line.heal()
        await says(gateway)
        await world.holds()
        assert stayed(world)

        assert await value(db, "select count(*) " + OURS) > 0
        line.lose()
        gateway.process.kill()
        await eventually(lambda: value(db, "select count(*) = 0 " + OURS), GONE_LIMIT_S)


async def test_fault_10_writes_while_it_reconnects(world: World) -> None:
    """The line is cut again and again, and each time something is committed before it is back."""
    await followed(world)
    line = world.gateways[0].line
    for _ in range(15):
        line.cut()
        await world.more(3)
    line.refuse()
    await says(world.gateways[0], "not listening: ")
    await world.more(50)
    line.accept()
    await says(world.gateways[0])
    await world.holds()
    assert stayed(world)


async def test_fault_11_a_standby_and_its_promotion(pg_bindir: Path, tmp_path: Path) -> None:
    """The primary falls silent. One gateway knows both, one began with nothing but the standby."""
    async with pair(pg_bindir) as both, paired_world(both, tmp_path) as world:
        lines = [
            await world.stack.enter_async_context(
                proxy(to_socket(f"{one.socket_dir}/.s.PGSQL.{PORT}"))
            )
            for one in (both.server, both.standby)
        ]
        first = await world.add_gateway(dsn=by_ports(*(line.port for line in lines)))
        early = await world.add_gateway(dsn=by_ports(lines[1].port), start=False)
        await early.process.start_unready()
        await says(early, str(Standby()))
        user = await world.user()
        client = await world.client(user, doors=[first.address])
        waiting = await world.client(user, doors=[early.address], joined=False)
        world.writer(user)
        await world.more(50)
        await world.stop_writing()
        await both.replayed()

        world.timeline.say("primary", "falls silent")
        lines[0].black_hole()
        await says(first, SILENT, DEAF)
        assert not waiting.record.joined
        await both.promote()
        world.postgres = OwnPostgres(both.standby, both.name)
        for gateway in (first, early):
            await says(gateway)
        world.resyncs.add("other history")
        world.writer(user)
        await world.more(50)
        await world.holds()
        assert stayed(world)
        told = [event.reason for event in client.record.events if isinstance(event, Resynced)]
        assert told == ["other history"]


@asynccontextmanager
async def paired_world(both: Pair, folder: Path) -> AsyncIterator[World]:
    """A world whose Postgres is the primary of a pair."""
    async with await connected(both.server) as db:
        await db.execute(MARKS)
    async with around(OwnPostgres(both.server, both.name), folder) as world:
        yield world


@needs_pgbouncer
async def test_fault_12_a_pooler_in_transaction_mode(worlds: Worlds) -> None:
    """It is named for as long as it lasts, and the sweep delivers; then a restart in session mode.

    Two gateways and their connections share the pool's sessions, and prepare nothing there.
    """
    address = free_address()
    async with worlds(gateways=0) as world:
        async with pooler(world.postgres, "transaction", address) as dsn:
            for _ in range(2):
                gateway = await world.add_gateway(dsn=dsn, process=QuickGateway, start=False)
                await gateway.process.start_unready()
            for gateway in world.gateways:
                await says(gateway, POOLER)
            await followed(world)
            await world.more(200)
            await world.settle()
            for gateway in world.gateways:
                assert len(await gateway.process.problems()) == 1, "nothing else is wrong"
                assert "cannot be read" not in gateway.process.logged()
        async with pooler(world.postgres, "session", address):
            for gateway in world.gateways:
                await says(gateway)
            await world.holds()
        assert stayed(world)


async def test_fault_13_rings_are_lost_while_all_looks_up(worlds: Worlds) -> None:
    """Canaries come through and rings do not: the sweep finds who is behind, and counts it."""
    async with worlds(gateways=0) as world:
        postgres = to_socket(f"{world.postgres.server.socket_dir}/.s.PGSQL.{PORT}")
        line = await world.stack.enter_async_context(ringless(postgres))
        gateway = await world.add_gateway(dsn=by_ports(line.port), process=QuickGateway)
        await followed(world)
        line.losing = True
        await world.more(50)
        await world.settle()
        assert line.lost > 0
        assert await gateway.process.problems() == []
        assert await counted(gateway.process, "lost_rings_total") > 0
        line.losing = False
        await world.holds()
        assert stayed(world)


async def test_fault_14_ten_thousand_changes_in_one_transaction(world: World) -> None:
    """Of one user, and of 2,000 users at once, whose rings are too long for one NOTIFY."""
    one, two, crowd = await world.user(), await world.user(), [uuid4() for _ in range(2000)]
    for user in (one, two, crowd[0], crowd[-1]):
        await world.client(user)
    world.writer(two)
    async with await world.connected() as db:
        await db.execute(
            "insert into cargo select n, %s, 'a burst' from generate_series(1, 10000) n", (one,)
        )
        await db.execute(
            "insert into cargo select 20000 + m * 10 + k, o"
            " from unnest(%s::uuid[]) with ordinality c (o, m), generate_series(0, 4) k",
            (crowd,),
        )
    await world.holds()
    assert stayed(world)


async def forgeries(db: Connection) -> list[str]:
    """Payloads that are nobody's ring, and some that look like one."""
    process, user = await value(db, "select id from sonnette.processes"), uuid4()
    return [
        "", "*", "~", f"~{process}:", f"~{process}:{'9' * 5000}", f"~{process}:1", f"~{uuid4()}:1",
        "junk", ":", ",", f"{user}", f"{user}:", f"{user}:-1", f"{user}:{'9' * 19}", f"{user}:1.5",
        f"{user}:{'9' * 7000}", f"{user}:1,", f"{user}:1," * 190, "'; drop table cargo; --",
        "\u0663:\u0663", f"{user}:\u0663", "\U0001f514" * 1900, "x" * 7999, "a:", "r:\n", "i:1",
    ]  # fmt: skip


async def test_fault_15_foreign_payloads_on_our_channels(world: World) -> None:
    """Whoever may connect may NOTIFY: here sonnette_service does, without end."""
    await followed(world)
    channels = ("sonnette", "sonnette_revoked", "sonnette_work")
    async with await world.connected() as db, await world.connected("sonnette_service") as stranger:
        payloads = await forgeries(db)
        user = world.clients[0].record.user
        payloads += [f"{user}:{seq}" for seq in (0, 1, 10**6, 10**18)]
        for _ in range(20):
            for payload in payloads:
                for channel in channels:
                    await stranger.execute("select pg_notify(%s, %s)", (channel, payload))
            await world.more(2)
    assert await world.gateways[0].process.problems() == []
    await world.holds()
    assert stayed(world)
    assert world.gateways[0].process.running
