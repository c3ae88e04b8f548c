"""An upgrade in place, as docs/operations.md has it: under clients, writers and buyers.

The next version migrates the database while this one serves, then starts beside it and takes over.
Every client is to see every change once, in order, and nobody is sent away by the migration.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg import AsyncConnection

from db import migrate
from tests.db_helpers import Connection, rows, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import Follower, wire
from tests.integration.test_gateway_failures import all_seen, rows_more, writing
from tests.integration.test_gateway_overlap import followers, moved
from tests.market import COUNTRY, SERVICE, Market, market
from tests.next_version import VERSION, migrate_by, next_version
from tests.service_process import ServiceProcess, service_process

NUMBER = {"service_code": SERVICE, "country_code": COUNTRY}
ACTIVATIONS = {"event": "*", "schema": "public", "table": "activations"}
PAUSE_S = 0.05


class Customer:
    """One who buys over HTTP and follows their feed by polling, across a restart of the service."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.bought: list[str] = []
        self.changes: list[dict[str, Any]] = []
        self.enough = False

    async def buy(self) -> None:
        """Until it is enough; what was not answered is asked again under the same key."""
        while not self.enough:
            headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=0"}
            answer = await self._answered("POST", "/v1/activations", headers)
            self.bought.append(answer["id"])
            await asyncio.sleep(PAUSE_S)

    async def follow(self) -> None:
        """Until cancelled: every change after the last."""
        while True:
            path = f"/v1/changes?after={len(self.changes)}&wait=1"
            self.changes += (await self._answered("GET", path, {}))["changes"]
            numbers = [change["feed_seq"] for change in self.changes]
            assert numbers == list(range(1, len(numbers) + 1))

    @property
    def told(self) -> list[str]:
        """The purchases that the feed has told of."""
        purchases = [
            (one["table"], one["type"]) == ("activations", "INSERT") for one in self.changes
        ]
        return [
            c["record"]["id"] for c, is_one in zip(self.changes, purchases, strict=True) if is_one
        ]

    async def _answered(self, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
        """The same request until it is answered."""
        while True:
            answer = await self._asked(method, path, headers)
            if answer is not None:
                return answer
            await asyncio.sleep(PAUSE_S)

    async def _asked(
        self, method: str, path: str, headers: dict[str, str]
    ) -> dict[str, Any] | None:
        """The answer; None where the service is away."""
        body = NUMBER if method == "POST" else None
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.TransportError:
            return None
        if answer.is_server_error or answer.status_code == httpx.codes.CONFLICT:
            return None  # it stops, or has not heard yet that the connection under this key is gone
        assert answer.is_success, answer.text
        return dict(answer.json())


@asynccontextmanager
async def customer(shop: Market, service: ServiceProcess) -> AsyncIterator[Customer]:
    """Somebody who buys and follows for the length of a block."""
    user = await shop.new_user("5000.00")
    async with service.user(user) as client, asyncio.TaskGroup() as tasks:
        one = Customer(client)
        following = tasks.create_task(one.follow())
        buying = tasks.create_task(one.buy())
        yield one
        one.enough = True
        await buying
        await eventually(lambda: len(one.told) >= len(one.bought))
        following.cancel()
    assert one.told == one.bought, "each purchase once, in the order in which it was made"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The code of the next version."""
    return next_version(tmp_path)


async def test_an_upgrade_under_clients_loses_nothing_and_sends_nobody_away(
    gateway: GatewayProcess, database: Database, cargo_db: Connection, newer: Path, tmp_path: Path
) -> None:
    user, dsn = uuid4(), database.dsn
    second = GatewayProcess(dsn("sonnette_gateway"), tmp_path / "second.log", {}, tree=newer)
    async with (
        market(database) as shop,
        service_process(dsn("sonnette_service"), tmp_path / "service.log") as service,
        customer(shop, service) as buyer,
        followers(gateway, user) as some,
        ended(second),
    ):
        async with writing(cargo_db, user) as written:
            await eventually(lambda: len(buyer.bought) > 3)
            await rows_more(written, 20)
            said = await asyncio.to_thread(migrate_by, newer, dsn())
            assert "is at next" in said
            await rows_more(written, 20)
            await the_older_one_serves_on(gateway, shop, some)
            await second.start()
            await both_versions_are_seen(shop)
            for one in some:
                one.move_to(second)
            assert await gateway.stop() == 0
            await moved(some, written)
            await a_new_table_is_served(second, cargo_db)
            await restarted(service, newer)
            more = len(buyer.bought) + 3
            await eventually(lambda: len(buyer.bought) >= more)
        for one in some:
            await all_seen(one, written)
            assert one.sockets == 2
        assert await second.problems() == []


async def test_where_it_and_a_writer_wait_for_each_other_it_gives_way(
    database: Database, cargo_db: Connection
) -> None:
    """It holds the feeds, which the writer's COMMIT wants, and waits for the writer's log."""
    user = uuid4()
    waits = "select count(*) from pg_locks where locktype = 'relation' and not granted"
    await cargo_db.execute("update sonnette.repeatables set hash = 'old'")
    async with await AsyncConnection.connect(database.dsn()) as writer:
        await writer.execute("insert into cargo values (1, %s)", (user,))
        migrating = asyncio.create_task(asyncio.to_thread(migrate.upgrade, database.dsn()))
        await eventually(lambda: value(cargo_db, waits))
        await writer.commit()
    await migrating
    seq = "select last_seq from sonnette.feeds where user_id = %s"
    assert await value(cargo_db, seq, user) == 1


async def the_older_one_serves_on(
    gateway: GatewayProcess, shop: Market, some: list[Follower]
) -> None:
    """Its sockets are those from before, it is well, and what is new in a row comes with it."""
    assert await gateway.problems() == []
    assert {one.sockets for one in some} == {1}
    user = await shop.new_user()
    async with wire(gateway) as socket:
        await socket.subscribe(token(user), ACTIVATIONS)
        await shop.buy(user)
        assert (await socket.change()).row["note"] == "none"


async def both_versions_are_seen(shop: Market) -> None:
    """ops.doctor() lists the versions that run."""
    [line] = await rows(shop.operator, "select * from ops.doctor() where what = 'migrations'")
    assert f"{VERSION}" in line["finding"]
    assert line["finding"].count(",") == 1, line
    assert await value(shop.operator, "select count(*) from ops.parcels") == 0


async def a_new_table_is_served(gateway: GatewayProcess, db: Connection) -> None:
    """What the migration has put on the feed."""
    user = uuid4()
    binding = {"event": "*", "schema": "public", "table": "parcels", "since": 0}
    async with wire(gateway) as socket:
        await socket.subscribe(token(user), binding)
        await db.execute("insert into parcels values (%s, %s)", (1, user))
        assert (await socket.change()).row["id"] == 1


async def restarted(service: ServiceProcess, tree: Path) -> None:
    """`systemctl restart` with the next version's code."""
    service.terminate()
    await eventually(service.ended, 12)
    assert service.exit_code == 0
    service.tree = tree
    await service.start()


@asynccontextmanager
async def ended(one: GatewayProcess) -> AsyncIterator[None]:
    """A gateway that is gone after the block, whenever it was started."""
    try:
        yield
    finally:
        if one.running:
            one.kill()
    assert "Traceback" not in one.logged()
