"""The one loop between database and sockets, in this process: its rounds, its limits, its order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import psycopg

from gateway.metrics import Metrics
from gateway.relay import Pace, Relay
from tests.db_helpers import ALICE, BOB, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.integration.gateway_wire import cargo
from tests.unit.gateway_parts import Client, token

NEVER_S = 3600
QUIET = Pace(catalog_s=NEVER_S, sweep_s=NEVER_S, anybody_s=NEVER_S)


class Running:
    """A relay at work, without a listener: nothing rings unless the test does."""

    def __init__(self, database: Database, pace: Pace) -> None:
        self.metrics = Metrics()
        self.relay = Relay(database.dsn("sonnette_gateway"), self.metrics, pace)

    async def joined(self, user: object = ALICE) -> Client:
        """A client that follows the user's cargo."""
        client = Client(self.relay.hub)
        client.join(cargo(), access_token=token(str(user)))
        await eventually(lambda: len(client.sent) >= 2)
        assert client.events()[:2] == ["phx_reply", "system"]
        return client

    def count(self, name: str) -> float:
        """A metric's value."""
        found = self.metrics.registry.get_sample_value(f"sonnette_gateway_{name}")
        assert found is not None
        return found


@asynccontextmanager
async def running(database: Database, pace: Pace = QUIET) -> AsyncIterator[Running]:
    """A relay for the length of a block."""
    one = Running(database, pace)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(one.relay.run())
        async with asyncio.timeout(10):
            await one.relay.reading.wait()
        yield one
        task.cancel()


async def put(db: Connection, number: int, owner: object = ALICE) -> None:
    await db.execute("insert into cargo values (%s, %s)", (number, owner))


async def test_nobody_is_read_whom_nothing_rang_for(
    database: Database, cargo_db: Connection
) -> None:
    async with running(database) as one:
        alice, bob = await one.joined(), await one.joined(BOB)
        await put(cargo_db, 1, ALICE)
        await put(cargo_db, 2, BOB)
        one.relay.on_ring("sonnette", f"{BOB}:1")
        await eventually(lambda: bob.sent)
        assert bob.changes() == [([1], 1, 0)]
        assert alice.take() == []
        one.relay.on_ring("sonnette", f"{ALICE}:1")
        await eventually(lambda: alice.sent)


async def test_the_sweep_finds_whose_ring_was_lost_and_counts_them(
    database: Database, cargo_db: Connection
) -> None:
    async with running(database, Pace(catalog_s=0.1, sweep_s=0.3, anybody_s=NEVER_S)) as one:
        alice, bob = await one.joined(), await one.joined(BOB)
        await put(cargo_db, 1)
        await eventually(lambda: alice.sent)
        assert alice.changes() == [([1], 1, 0)]
        assert (bob.take(), one.count("lost_rings_total")) == ([], 1)
        await put(cargo_db, 2)
        await eventually(lambda: alice.sent)
        assert one.count("lost_rings_total") == 2


async def test_a_ring_for_everybody_counts_at_most_once_in_a_while(
    database: Database, cargo_db: Connection
) -> None:
    async with running(database) as one:
        alice, bob = await one.joined(), await one.joined(BOB)
        await put(cargo_db, 1)
        one.relay.on_ring("sonnette", "*")
        await eventually(lambda: alice.sent)
        reads = one.count("read_seconds_count")
        for number in range(2, 50):
            await put(cargo_db, number)
            one.relay.on_ring("sonnette", "*")
        await put(cargo_db, 50, BOB)
        one.relay.on_ring("sonnette", f"{BOB}:1")
        await eventually(lambda: bob.sent)
        assert alice.changes() == [([1], 1, 0)]
        assert one.count("read_seconds_count") == reads + 1


async def test_a_ring_for_everybody_that_had_to_wait_is_not_forgotten(
    database: Database, cargo_db: Connection
) -> None:
    pace = Pace(catalog_s=NEVER_S, sweep_s=NEVER_S, anybody_s=0.5)
    async with running(database, pace) as one:
        alice = await one.joined()
        for number in (1, 2):
            await put(cargo_db, number)
            one.relay.on_ring("sonnette", "*")
            await eventually(lambda: alice.sent)
            assert alice.changes() == [([1], number, number - 1)]


async def test_more_due_users_than_one_read_takes_and_more_changes_than_one_page(
    database: Database, cargo_db: Connection
) -> None:
    users = [f"00000000-0000-4000-8000-{number:012}" for number in range(700)]
    async with running(database) as one:
        clients = []
        for user in users:
            clients.append(Client(one.relay.hub))
            clients[-1].join(cargo(since=0), access_token=token(user))
        await cargo_db.execute(
            "insert into cargo select n, u from unnest(%s::uuid[]) with ordinality as of (u, n)",
            (users,),
        )
        await cargo_db.execute(
            "insert into cargo select n, %s from generate_series(1001, 1250) n", (users[0],)
        )
        one.relay.hub.mark_all()
        await eventually(lambda: all(len(client.sent) >= 3 for client in clients))
        await eventually(lambda: len(clients[0].sent) == 253)
        del clients[0].sent[:2]
        assert clients[0].changes() == [([1], seq, seq - 1) for seq in range(1, 252)]


async def test_a_read_that_does_not_come_back_is_given_up_before_clients_give_up(
    database: Database, cargo_db: Connection
) -> None:
    async with (
        running(database) as one,
        await psycopg.AsyncConnection.connect(database.dsn()) as locker,
    ):
        served = await one.joined()
        await put(cargo_db, 1)
        await locker.execute("lock table sonnette.numbers in access exclusive mode")
        waiting = Client(one.relay.hub)
        began = monotonic()
        waiting.join(cargo(since=0), access_token=token())
        await eventually(lambda: waiting.sent, 10)
        assert monotonic() - began < 9
        assert waiting.refusal() == (
            "UnableToConnectToProject: the database cannot be reached; try again"
        )
        assert one.relay.problems == ["the feeds cannot be read: no answer to a read in 5 s"]
        await locker.rollback()
        await eventually(lambda: served.sent)
        assert served.changes() == [([1], 1, 0)]
        await eventually(lambda: one.relay.problems == [])
