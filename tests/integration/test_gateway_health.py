"""/livez, /readyz and /metrics of a gateway process: what they say when something is wrong."""

import re
from typing import LiteralString

import httpx
import psycopg
import pytest

from tests.db_helpers import ALICE, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import cargo, wire

LOOK_LIMIT_S = 15  # the catalog is looked at every 5 s


async def get(gateway: GatewayProcess, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(gateway.url + path)


async def metric(gateway: GatewayProcess, name: str) -> str:
    """The value of a metric without labels, as it is written."""
    for line in (await get(gateway, "/metrics")).text.splitlines():
        if line.startswith(f"sonnette_gateway_{name} "):
            return line.rpartition(" ")[2]
    raise AssertionError(f"there is no metric {name}")


async def test_a_healthy_gateway(gateway: GatewayProcess, cargo_db: Connection) -> None:
    alive, ready = await get(gateway, "/livez"), await get(gateway, "/readyz?verbose=1")
    assert (alive.status_code, alive.text) == (200, "alive\n")
    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "problems": [], "warnings": []},
    )
    assert ready.headers["content-type"] == "application/json"
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        await alice.change()
        assert await metric(gateway, "sockets") == "1.0"
        assert await metric(gateway, "ready") == "1.0"
        assert await metric(gateway, "changes_read_total") == "1.0"
        assert await metric(gateway, "frames_out_total") == "3.0"
        assert float(await metric(gateway, "rings_total")) >= 1
    metrics = await get(gateway, "/metrics")
    for line in ("listening 1.0", "listens_total 1.0", "deaf_total 0.0", "triggers_missing 0.0"):
        assert f"\nsonnette_{line}\n" in metrics.text

    async def echoed() -> bool:
        return "\nsonnette_canary_seconds_count 0.0\n" not in (await get(gateway, "/metrics")).text

    await eventually(echoed)
    assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert str(ALICE) not in metrics.text
    assert "server" not in alive.headers


BREAK: list[LiteralString] = [
    "alter table cargo disable trigger sonnette_log_update",
    "drop trigger sonnette_log_insert on cargo",
    # As a restore does it: what was ENABLE ALWAYS comes back as plain ENABLE.
    "alter table activations disable trigger sonnette_log_delete",
    "alter table activations enable trigger sonnette_log_delete",
    "alter table sonnette.changes disable trigger sonnette_number",
]
BROKEN = {
    "the trigger sonnette_log_update on public.cargo is not ENABLE ALWAYS",
    "public.cargo has lost its trigger sonnette_log_insert",
    "the trigger sonnette_log_delete on public.activations is not ENABLE ALWAYS",
    "the trigger sonnette_number on changes is not ENABLE ALWAYS",
}
MEND: list[LiteralString] = [
    "select sonnette.watch('cargo', 'owner')",
    "select sonnette.watch('activations', 'user_id')",
    "alter table sonnette.changes enable always trigger sonnette_number",
]


async def test_each_trigger_that_is_not_in_place_is_named_until_it_is(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async def named() -> bool:
        return set(await gateway.problems()) == BROKEN

    async def mended() -> bool:
        return not await gateway.problems()

    for statement in BREAK:
        await cargo_db.execute(statement)
    await eventually(named, LOOK_LIMIT_S)
    assert await metric(gateway, "ready") == "0.0"
    assert (await get(gateway, "/livez")).status_code == 200
    for statement in MEND:
        await cargo_db.execute(statement)
    await eventually(mended, LOOK_LIMIT_S)
    assert all(problem in gateway.logged() for problem in BROKEN)


async def test_a_table_watched_while_the_gateway_runs_can_be_joined(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    late = {"event": "*", "table": "late", "filter": "note=eq.x"}
    await cargo_db.execute("create table late (id int primary key, owner uuid, note text)")
    await cargo_db.execute("select sonnette.watch('late', 'owner')")
    async with wire(gateway) as alice:

        async def joined() -> bool:
            await alice.join(token(ALICE), late)
            return bool((await alice.frame())["payload"]["status"] == "ok")

        await eventually(joined, LOOK_LIMIT_S)
        assert (await alice.frame())["event"] == "system"
        await cargo_db.execute("insert into late values (1, %s, 'x')", (ALICE,))
        assert (await alice.change()).table == "late"
        await cargo_db.execute("select sonnette.unwatch('late')")
        error = await alice.frame()
        assert (error["event"], error["payload"]["code"]) == ("phx_error", 4004)
        await alice.join(token(ALICE), late)
        assert "no table public.late is watched" in await alice.refusal()


async def test_a_table_in_a_schema_of_others_is_served_and_harms_nobody(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    """No role of Sonnette's may use the schema, nor ask its collation how letters change."""
    attic = {"event": "*", "schema": "attic", "table": "boxes"}
    await cargo_db.execute(
        """create schema attic;
        create collation attic.plain (provider = libc, locale = 'C.UTF-8');
        create type attic.size as enum ('small', 'large');
        create table attic.boxes (
            id int primary key, owner uuid, note text collate attic.plain, size attic.size)"""
    )
    await cargo_db.execute("select sonnette.watch('attic.boxes', 'owner')")
    async with wire(gateway) as alice:

        async def joined() -> bool:
            await alice.join(token(ALICE), {**attic, "filter": "size=eq.large"})
            return bool((await alice.frame())["payload"]["status"] == "ok")

        await eventually(joined, LOOK_LIMIT_S)
        assert (await alice.frame())["event"] == "system"
        await cargo_db.execute("insert into attic.boxes values (1, %s, 'x', 'large')", (ALICE,))
        assert (await alice.change()).table == "boxes"
        await alice.join(token(ALICE), {**attic, "filter": "note=ilike.X"}, topic="realtime:two")
        assert "ilike" in await alice.refusal()
        await alice.subscribe(token(ALICE), cargo(), topic="realtime:three")
    assert await gateway.problems() == []


async def test_a_database_without_sonnette_is_named(
    database: Database, db: Connection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("bare") / "gateway.log"
    await db.execute("create database bare")
    try:
        gateway = GatewayProcess(database.server.dsn("sonnette_gateway", "bare"), log, {})
        await gateway.start_unready()

        async def named() -> bool:
            return any("sonnette" in said for said in await gateway.problems())

        await eventually(named)
        assert await gateway.stop() == 0
    finally:
        if gateway.running:
            gateway.kill()
        await db.execute("drop database bare with (force)")


async def resyncs(gateway: GatewayProcess) -> dict[str, str]:
    """How many there were, by reason."""
    counted = re.findall(
        r'^sonnette_gateway_resyncs_total{reason="(.*)"} (.*)$',
        (await get(gateway, "/metrics")).text,
        re.MULTILINE,
    )
    return dict(counted)


async def test_a_new_history_is_noticed_while_the_gateway_runs(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    """As the restore page has it: the operator calls new_epoch() once everything runs again."""
    await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
    async with wire(gateway) as alice:
        before = await alice.subscribe(token(ALICE), cargo())
        await cargo_db.execute("select sonnette.new_epoch()")
        told = (await alice.frame())["payload"]
        assert (told["extension"], told["message"]) == ("resync", "other history")
        assert (told["feed_seq"], told["epoch"] != before["epoch"]) == (1, True)
        await alice.join(token(ALICE), cargo(since=1, epoch=before["epoch"]))
        frames = [(await alice.frame())["payload"] for _ in range(3)]
        assert frames[2]["message"] == "other history"
        await alice.subscribe(token(ALICE), cargo(since=1, epoch=told["epoch"]))
        await alice.alive()
    assert await resyncs(gateway) == {"other history": "2.0"}


async def test_pruned_history_is_said_to_be_gone(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    for number in range(1, 6):
        await cargo_db.execute("insert into cargo values (%s, %s)", (number, ALICE))
    await cargo_db.execute("delete from sonnette.numbers where seq <= 3")
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo(since=2))
        told = (await alice.frame())["payload"]
        assert (told["message"], told["feed_seq"]) == ("cursor too old", 5)
        await alice.subscribe(token(ALICE), cargo(since=3))
        assert [(await alice.change()).seq for _ in range(2)] == [4, 5]
        await alice.subscribe(token(ALICE), cargo(since=6))
        assert (await alice.frame())["payload"]["message"] == "cursor ahead"
    assert await resyncs(gateway) == {"cursor too old": "1.0", "cursor ahead": "1.0"}


async def test_any_role_may_ring_and_none_can_harm(
    gateway: GatewayProcess, database: Database, cargo_db: Connection
) -> None:
    async with (
        wire(gateway) as alice,
        await psycopg.AsyncConnection.connect(
            database.dsn("sonnette_operator"), autocommit=True
        ) as operator,
    ):
        await alice.subscribe(token(ALICE), cargo())
        for payload in ("*", "junk", "", f"{ALICE}:{'9' * 5000}", f"{ALICE}:99", "~x:1", "a:1,*"):
            await operator.execute("select pg_notify('sonnette', %s)", (payload,))
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert (await alice.change()).seq == 1
        await alice.alive()
    assert gateway.running
