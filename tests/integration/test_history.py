"""sonnette.this_history(): another place is another history, with one new epoch for all who ask."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pytest_postgresql.janitor import DatabaseJanitor

from db.connect import connect
from db.errors import Incomplete
from db.history import confirm
from db.place import PORT
from tests.db_helpers import ALICE, Connection, rows, value
from tests.facts import eventually
from tests.fixtures.postgres import SUPERUSER, Database
from tests.fixtures.service import running_service
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import cargo, wire

EPOCH = "select id from sonnette.epoch"
PLACE = "select system_identifier, database_oid, timeline from sonnette.epoch"


async def asked(database: Database, role: str) -> object:
    """The epoch, as a process of that role has it at a new connection."""
    connection = await connect(database.dsn(role), application_name="a test")
    try:
        return await confirm(connection)
    finally:
        await connection.close()


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """An empty database beside it, for a copy."""
    name = f"{database.name}_copy"
    janitor = DatabaseJanitor(
        user=SUPERUSER, host=str(database.server.socket_dir), port=PORT, dbname=name
    )
    janitor.init()
    yield Database(database.server, name)
    janitor.drop()


def restore(source: Database, target: Database) -> None:
    """pg_dump and psql, as an operator does it."""
    tools = source.server.bindir
    dump = subprocess.run(
        [tools / "pg_dump", "-d", source.dsn()], capture_output=True, timeout=60, check=True
    )
    psql = [str(tools / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", target.dsn()]
    subprocess.run(psql, input=dump.stdout, capture_output=True, timeout=60, check=True)


async def test_the_first_who_asks_writes_the_place_down_and_changes_nothing(
    database: Database, db: Connection
) -> None:
    before = await value(db, EPOCH)
    for role in ("sonnette_gateway", "sonnette_service", "sonnette_poller"):
        assert await asked(database, role) == before
    (place,) = await rows(db, PLACE)
    assert place["database_oid"] == await value(
        db, "select oid from pg_database where datname = current_database()"
    )
    assert place["timeline"] == 1
    assert place["system_identifier"] == await value(
        db, "select system_identifier from pg_control_system()"
    )


@pytest.mark.parametrize("column", ["system_identifier", "database_oid", "timeline"])
async def test_another_place_has_a_new_epoch_once(
    database: Database, db: Connection, column: str
) -> None:
    """Many processes come at the same moment, as after a failover."""
    before = await asked(database, "sonnette_gateway")
    await db.execute(f"update sonnette.epoch set {column} = 7".encode())
    found = await asyncio.gather(*(asked(database, "sonnette_gateway") for _ in range(12)))
    assert len(set(found)) == 1
    assert found[0] != before
    assert await asked(database, "sonnette_poller") == found[0]


async def test_those_who_wait_for_the_first_find_its_epoch(
    database: Database, db: Connection
) -> None:
    """Each has seen the old place already when the first one commits."""
    await asked(database, "sonnette_gateway")
    await db.execute("update sonnette.epoch set timeline = 7")
    async with db.transaction():
        mine = await value(db, "select sonnette.this_history()")
        others = [asyncio.create_task(asked(database, "sonnette_gateway")) for _ in range(3)]
        watching = await Connection.connect(database.dsn(), autocommit=True)
        waiting = "select count(*) from pg_locks where not granted and locktype = 'transactionid'"
        await eventually(lambda: value(watching, waiting))
        await watching.close()
    assert set(await asyncio.gather(*others)) == {mine}


async def test_a_restored_dump_serves_no_cursor_of_its_original(
    gateway: GatewayProcess,
    database: Database,
    other: Database,
    cargo_db: Connection,
    tmp_path: Path,
) -> None:
    await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
    async with wire(gateway) as alice:
        before = await alice.subscribe(token(ALICE), cargo(since=0))
        assert (await alice.change()).seq == 1
    restore(database, other)
    log = tmp_path / "restored.log"
    async with (
        gateway_process(other.dsn("sonnette_gateway"), log) as restored,
        wire(restored) as alice,
    ):
        await alice.join(token(ALICE), cargo(since=1, epoch=before["epoch"]))
        frames = [(await alice.frame())["payload"] for _ in range(3)]
        assert (frames[2]["message"], frames[2]["feed_seq"]) == ("other history", 1)
        assert frames[2]["epoch"] != before["epoch"]
        assert await restored.problems() == []
    async with wire(gateway) as alice:
        again = await alice.subscribe(token(ALICE), cargo(since=1, epoch=before["epoch"]))
        assert again["epoch"] == before["epoch"], "the original goes on"


async def test_a_database_that_is_not_restored_yet_is_named_and_waited_for(
    gateway: GatewayProcess, database: Database, db: Connection
) -> None:
    """Its tables are there, its rows not yet."""
    async with running_service(database) as service, service.user(ALICE) as alice:
        await db.execute("create table kept as table sonnette.epoch")
        await db.execute("delete from sonnette.epoch")
        for path in ("/v1/me", "/v1/changes", "/v1/changes?after=0", "/v1/activations", "/readyz"):
            assert (await alice.get(path)).status_code == httpx.codes.SERVICE_UNAVAILABLE, path
        with pytest.raises(Incomplete):
            await asked(database, "sonnette_poller")

        async def named() -> bool:
            return str(Incomplete()) in " ".join(await gateway.problems())

        await eventually(named)
        await db.execute("insert into sonnette.epoch table kept")
        for path in ("/v1/me", "/readyz"):
            assert (await alice.get(path)).status_code == httpx.codes.OK, path

        async def ready() -> bool:
            return not await gateway.problems()

        await eventually(ready)
