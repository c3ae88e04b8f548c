"""Faults 34 to 39: clients that come back, or come for the first time, at every wrong moment."""

import asyncio
import os
from functools import partial
from uuid import UUID, uuid4

from db.feed import wire_epoch
from tests.chaos.client import Client, Manners
from tests.chaos.looking import changes, metric, served
from tests.chaos.record import Joined, Resynced
from tests.chaos.world import World
from tests.db_helpers import value
from tests.facts import eventually
from tests.gateway_process import token
from tests.integration.gateway_wire import cargo, wire

RESUMES = int(os.environ.get("RESUMES", "250"))  # bench/outages.py does it with 10,000
BACKLOG = 3000
SLOW_S = 0.1
PUT = "insert into cargo values (%s, %s, 'by hand')"
MANY = "insert into cargo select -n, %s, 'backlog' from generate_series(%s::int, %s) n"
EACH = """
    insert into cargo select -n, (%s::uuid[])[1 + n / 20], 'backlog'
    from generate_series(0, 20 * cardinality(%s::uuid[]) - 1) n
"""
AGE = "update sonnette.changes set at = at - interval '2 days' where user_id = %s"
READS = "sonnette_gateway_read_seconds_count"
LIVE = Manners(since=None)


async def test_fault_34_cursors_that_cannot_be_served(world: World) -> None:
    """Too old, from the future, of another database, another user's: each is told, none is served.

    After it each has all rows, and follows; who has its own cursor is served without a word.
    """
    alice, bob = await world.user(), await world.user()
    world.writer(alice, bob, pause_s=0.002)
    await world.more(40)
    async with await world.connected() as db:
        await db.execute(AGE, (alice,))
        assert await value(db, "select sonnette.prune(interval '1 day', 10000)")
        history = await value(db, "select id from sonnette.epoch")
        at = await value(db, "select last_seq from sonnette.feeds where user_id = %s", alice)
    hers, his, other = (
        wire_epoch(*whose)
        for whose in ((history, str(alice)), (history, str(bob)), (uuid4(), str(alice)))
    )
    cursors = {
        "her own": (at, hers), "too old": (1, hers), "of the future": (at + 100_000, hers),
        "of another database": (at, other), "another user's": (at, his),
    }  # fmt: skip
    clients = {name: await _with_cursor(world, alice, name, *one) for name, one in cursors.items()}
    world.resyncs |= {"cursor too old", "cursor ahead", "other history"}
    await world.more(40)
    await world.holds()
    assert {name: _reasons(client) for name, client in clients.items()} == {
        "her own": [], "too old": ["cursor too old"], "of the future": ["cursor ahead"],
        "of another database": ["other history"], "another user's": ["other history"],
    }  # fmt: skip


async def _with_cursor(world: World, user: UUID, name: str, since: int, epoch: str) -> Client:
    client = await world.client(user, name, manners=Manners(since=since), joined=False)
    client.record.epoch = epoch
    return client


def _reasons(client: Client) -> list[str]:
    return [one.reason for one in client.record.events if isinstance(one, Resynced)]


async def test_fault_35_from_replay_to_live_under_writes(world: World) -> None:
    """A backlog is replayed while its feed moves on, over and over from wherever a client is."""
    alice, bob = await world.user(), await world.user()
    async with await world.connected() as db:
        await db.execute(MANY, (alice, 1, BACKLOG))
    world.writer(alice, bob, pause_s=0)
    world.writer(alice, pause_s=0)
    await world.more(20)
    clients = [await world.client(alice, joined=False) for _ in range(4)]
    for number, client in enumerate(clients[1:], 1):
        for part in range(1, 4):  # it comes back in the middle of its replay
            where = number * part * BACKLOG // 12
            await eventually(lambda one=client, seq=where: (one.record.since or 0) >= seq)  # type: ignore[misc]
            await client.come_back()
    await served(world)
    await world.more(50)
    await world.holds()
    for client in clients:
        first = next(one for one in client.record.events if isinstance(one, Joined))
        assert BACKLOG < first.feed_seq < (client.record.since or 0), (
            "it moved on during the replay"
        )


async def test_fault_36_cut_off_before_the_first_event(world: World) -> None:
    """Who was told SUBSCRIBED has a cursor, though nothing ever came: what it misses is sent."""
    users = [await world.user() for _ in range(5)]
    clients = [await world.client(user, manners=LIVE) for user in users]
    door = world.gateways[0].door
    async with await world.connected() as db:
        for number in range(3):
            with world.timeline.fault("nobody is let in"):
                door.refuse()
                await eventually(lambda: not any(one.record.joined for one in clients))
                for id, user in enumerate(users[: number + 3], 1 + 10 * number):
                    await db.execute(PUT, (-id, user))
                door.accept()
            await eventually(lambda: all(one.record.joined for one in clients))
    await world.holds()
    told = [[one.row["id"] for one in changes(client)][:-1] for client in clients]
    assert told == [
        [-1, -11, -21], [-2, -12, -22], [-3, -13, -23], [-14, -24], [-25],
    ]  # fmt: skip


async def test_fault_37_subscribed_too_early(world: World) -> None:
    """What is committed the moment after SUBSCRIBED comes, though Postgres is far away."""
    users = [await world.user() for _ in range(20)]
    gateway = world.gateways[0]
    world.writer(*users, pause_s=0)
    gateway.line.delay_s = SLOW_S
    world.timeline.say("gateway-0", f"its Postgres is {2 * SLOW_S:g} s away")
    clients = [await world.client(user, manners=LIVE, joined=False) for user in users]
    waiting = dict(enumerate(clients, 1))
    async with await world.connected() as db, asyncio.timeout(60):
        while waiting:
            for id in [id for id, one in waiting.items() if one.record.joined]:
                await db.execute(PUT, (-id, waiting.pop(id).record.user))
            await asyncio.sleep(0)
    gateway.line.delay_s = 0
    await world.holds()
    for id, client in enumerate(clients, 1):
        assert -id in [one.row.get("id") for one in changes(client)]


async def test_fault_38_others_come_and_go(world: World) -> None:
    """Of the same user and of others, in a loop: who stays notices nothing."""
    users = [await world.user() for _ in range(3)]
    staying = [await world.client(user) for user in users]
    coming = [await world.client(user, manners=manners) for user in users
              for manners in (Manners(), LIVE, Manners(table="cargo"))]  # fmt: skip
    world.writer(*users, pause_s=0.002)
    for socket in range(2, 14):
        await _comes_and_goes(world, users[0])
        for client in coming:
            await client.come_back() if socket % 3 else client.vanish()
        await eventually(partial(_all_on, coming, socket), 30)
        await world.more(5)
    await world.holds()
    assert [one.record.sockets for one in staying] == [1, 1, 1]


async def _comes_and_goes(world: World, user: UUID) -> None:
    """Channels are joined and left on a socket that reads no answer, and is gone."""
    async with wire(world.gateways[0].process, token(user)) as fickle:
        for topic in ("realtime:one", "realtime:two", "realtime:one"):
            ref = await fickle.join(token(user), cargo(since=0), topic=topic)
            await fickle.join(token(user), cargo(), topic=topic)
            await fickle.say("phx_leave", {}, topic, ref)


def _all_on(clients: list[Client], socket: int) -> bool:
    return all(one.record.joined and one.record.sockets == socket for one in clients)


async def test_fault_39_all_resume_at_once_while_postgres_is_slow(world: World) -> None:
    """Many are cut off and come back at one moment, each with something to catch up on.

    They are read for together: as many statements as there are clients would take minutes here.
    """
    gateway = world.gateways[0]
    users = [await world.user() for _ in range(RESUMES // 5)]
    for number in range(RESUMES):
        await world.client(users[number % len(users)], joined=False)
    await eventually(lambda: all(one.record.joined for one in world.clients), 60)
    await served(world)
    gateway.line.delay_s = SLOW_S
    before = await metric(gateway, READS)
    with world.timeline.fault("nobody is let in"):
        gateway.door.refuse()
        async with await world.connected() as db:
            await db.execute(EACH, (users, users))
        gateway.door.accept()
    await served(world, 60)
    reads = await metric(gateway, READS) - before
    assert reads < RESUMES / 4
    gateway.line.delay_s = 0
    await world.holds()
