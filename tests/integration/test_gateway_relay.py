"""The one loop between database and sockets, in this process: its rounds, its limits, its order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import psycopg
import pytest

from gateway.metrics import Metrics
from gateway.relay import JOINS_TOGETHER_S, Pace, Relay
from tests.db_helpers import ALICE, BOB, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.integration.gateway_wire import cargo
from tests.unit.gateway_parts import TOPIC, Client, token, told

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


async def test_clients_that_come_one_after_the_other_are_served_by_few_reads(
    database: Database, cargo_db: Connection
) -> None:
    async with running(database) as one:
        before, began_s = one.count("read_seconds_count"), monotonic()
        clients = [Client(one.relay.hub) for _ in range(300)]
        for number, client in enumerate(clients):
            user = f"00000000-0000-4000-8000-{number:012}"
            client.join(cargo(), access_token=token(user))
            await asyncio.sleep(0)
        await eventually(lambda: all(len(client.sent) >= 2 for client in clients))
        most = (monotonic() - began_s) / JOINS_TOGETHER_S + 2
        assert one.count("read_seconds_count") - before <= most


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


# --- losses


async def prune_before(db: Connection, seq: int) -> None:
    """Make alice's changes old up to that one, and prune them."""
    await db.execute(
        "update sonnette.changes c set at = at - interval '2 days' from sonnette.numbers m"
        " where m.tx = c.tx and m.n = c.n and m.seq <= %s",
        (seq,),
    )
    await db.execute("select sonnette.prune(interval '1 day', 10000)")


async def test_what_was_pruned_is_no_loss(database: Database, cargo_db: Connection) -> None:
    await cargo_db.execute("insert into cargo select n, %s from generate_series(1, 9) n", (ALICE,))
    await prune_before(cargo_db, 5)
    async with running(database) as one:
        client = Client(one.relay.hub)
        client.join(cargo(since=2), access_token=token())
        await eventually(lambda: len(client.sent) >= 3)
        assert told(client)[-1] == ("resync", "cursor too old", 9)
        await eventually(lambda: not one.relay.hub.gaps)
        assert one.count("loss_detected_total") == 0


async def test_pruning_in_the_middle_of_a_replay_is_told_and_then_live(
    database: Database, cargo_db: Connection
) -> None:
    async with (
        running(database) as one,
        await psycopg.AsyncConnection.connect(database.dsn()) as pruner,
    ):
        await cargo_db.execute(
            "insert into cargo select n, %s from generate_series(1, 5000) n", (ALICE,)
        )
        client = Client(one.relay.hub)
        client.join(cargo(since=0), access_token=token())
        await eventually(lambda: len(client.sent) > 2)
        await pruner.execute("lock table sonnette.numbers in access exclusive mode")
        await prune_before(pruner, 5000)
        await pruner.commit()
        await eventually(lambda: "resync" in client.sent[-1])
        await put(cargo_db, 5001)
        one.relay.on_ring("sonnette", f"{ALICE}:5001")
        await eventually(lambda: "postgres_changes" in client.sent[-1])
        frames = client.take()[2:]
        seen = [frame["payload"]["data"]["record"]["feed_seq"] for frame in frames[:-2]]
        assert seen == list(range(1, len(seen) + 1))
        assert 0 < len(seen) < 5000, "it was in the middle"
        said, record = frames[-2]["payload"], frames[-1]["payload"]["data"]["record"]
        assert (said["message"], said["feed_seq"]) == ("cursor too old", 5000)
        assert (record["feed_seq"], record["feed_prev"]) == (5001, 5000)
        assert one.count("loss_detected_total") == 0


@pytest.mark.parametrize("missing", [1, 4, 6])
async def test_a_change_that_is_missing_is_told_and_counted_as_a_loss(
    database: Database, cargo_db: Connection, missing: int
) -> None:
    """At the front, in the middle and at the end of what is read."""
    async with running(database) as one:
        client = await one.joined()
        await cargo_db.execute(
            "insert into cargo select n, %s from generate_series(1, 6) n", (ALICE,)
        )
        await cargo_db.execute("delete from sonnette.numbers where seq = %s", (missing,))
        one.relay.on_ring("sonnette", f"{ALICE}:6")
        await eventually(lambda: client.sent)
        assert told(client) == [("resync", "cursor too old", 6)]
        await eventually(lambda: one.count("loss_detected_total") == 1)


async def test_the_audit_goes_over_what_was_sent_and_finds_nothing(
    database: Database, cargo_db: Connection
) -> None:
    pace = Pace(catalog_s=NEVER_S, sweep_s=NEVER_S, anybody_s=NEVER_S, audit_s=0.05)
    async with running(database, pace) as one:
        client = await one.joined()
        for number in range(1, 400):
            await put(cargo_db, number)
            one.relay.on_ring("sonnette", f"{ALICE}:{number}")
        await eventually(lambda: len(client.sent) == 399)
        await eventually(lambda: one.count("changes_audited_total") > 100)
        assert one.count("loss_detected_total") == 0


async def test_the_audit_finds_what_was_left_out(database: Database, cargo_db: Connection) -> None:
    pace = Pace(catalog_s=NEVER_S, sweep_s=NEVER_S, anybody_s=NEVER_S, audit_s=0.2)
    async with running(database, pace) as one:
        client = await one.joined()
        await eventually(lambda: one.relay.hub.audit is not None)
        await put(cargo_db, 1)
        [binding] = client.session.channels[TOPIC].bindings
        binding.position = 1  # as a mistake of the gateway would: moved on, and not sent
        await eventually(lambda: one.count("loss_detected_total") == 1)
        assert client.take() == []


async def test_at_the_end_what_has_been_read_is_delivered_and_nothing_more_is_read(
    database: Database, cargo_db: Connection
) -> None:
    """Several pages of one read, each more than what is delivered without a pause."""
    async with running(database) as one:
        clients = [await one.joined(user) for user in (ALICE, BOB) for _ in range(3)]
        for user, first in ((ALICE, 1), (BOB, 101)):
            await cargo_db.execute(
                "insert into cargo select n, %s from generate_series(%s::int, %s::int) n",
                (user, first, first + 99),
            )
        one.relay.on_ring("sonnette", f"{ALICE}:100,{BOB}:100")
        while not any(client.sent for client in clients):  # noqa: ASYNC110
            await asyncio.sleep(0)  # seen in the midst of the delivery
        await one.relay.finish()
        assert [len(client.sent) for client in clients] == [100] * 6
        await put(cargo_db, 1000)
        reads = one.count("read_seconds_count")
        one.relay.on_ring("sonnette", f"{ALICE}:101")
        await one.relay.finish()
        assert one.count("read_seconds_count") == reads
