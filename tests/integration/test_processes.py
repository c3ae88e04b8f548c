"""sonnette.processes: each process says that it lives, how it fares, and that it stops."""

import os
import socket
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from tests.db_helpers import ALICE, Connection, rows
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import running_service
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import cargo, wire
from tests.polling import running, simulated


async def the_row(db: Connection, **wanted: object) -> dict[str, Any]:
    """The one process there is, once it shows all this."""

    async def found() -> dict[str, Any]:
        (row,) = await rows(db, "select * from sonnette.processes") or [{}]
        return row if all(row.get(name) == is_ for name, is_ in wanted.items()) else {}

    return await eventually(found, 15)


async def test_a_gateway_from_its_start_to_its_end(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    row = await the_row(cargo_db, kind="gateway", pid=gateway.pid, problems=[])
    assert (row["host"], row["stopped_at"]) == (socket.gethostname(), None)
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        one = await the_row(cargo_db, facts={"sockets": 1, "users": 1, "behind": 0})
        assert one["seen_at"] > row["seen_at"]
        assert one["started_at"] == row["started_at"]
        assert str(ALICE) not in str(one)
    await cargo_db.execute("drop trigger sonnette_log_insert on cargo")
    problem = "public.cargo has lost its trigger sonnette_log_insert"
    await the_row(cargo_db, problems=[problem], stopped_at=None)
    assert await gateway.stop() == 0
    stopped = await the_row(cargo_db, problems=[])
    assert stopped["stopped_at"] >= stopped["seen_at"]


async def test_a_gateway_that_an_operator_drains(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    row = await the_row(cargo_db, kind="gateway", problems=[])
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        await cargo_db.execute("select ops.drain(%s)", (row["id"],))
        assert (await alice.closed())[0] == 1012
    await eventually(lambda: not gateway.running)
    assert (await the_row(cargo_db))["stopped_at"] is not None


async def test_a_service(database: Database, db: Connection) -> None:
    async with running_service(database):
        row = await the_row(db, kind="service", pid=os.getpid(), facts={"waiting": 0})
        assert row["stopped_at"] is None
    assert (await the_row(db, kind="service"))["stopped_at"] is not None


async def test_a_poller(database: Database, db: Connection) -> None:
    async with simulated(database) as (_world, settings):
        async with running(settings):
            row = await the_row(db, kind="poller", facts={"accounts": 1}, problems=[])
            assert row["stopped_at"] is None
        assert (await the_row(db, kind="poller"))["stopped_at"] is not None


async def test_a_process_that_dies_again_and_again_does_not_fill_the_table(
    db: Connection,
) -> None:
    await db.execute(
        "insert into sonnette.processes (id, kind, host, pid, version, seen_at)"
        " select gen_random_uuid(), 'gateway', 'x', n, '0', now() - n * interval '2 minutes'"
        " from generate_series(1, 250) n"
    )
    await db.execute(
        "select sonnette.process_seen(%s, 'gateway', 'x', 0, '0', '{}', %s)", (uuid4(), Jsonb({}))
    )
    kept = await rows(db, "select pid from sonnette.processes order by pid")
    assert [row["pid"] for row in kept] == list(range(101)), "the newest"
