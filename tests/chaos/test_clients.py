"""Faults 40 to 46: what clients do, and what it costs all others, which is nothing."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

from websockets.asyncio.client import connect

from tests.chaos.client import PATH, Client, Manners
from tests.chaos.conftest import Worlds
from tests.chaos.crowd import crowd
from tests.chaos.far import GATEWAY_PORT, far_world
from tests.chaos.network import Line, needs_network
from tests.chaos.record import Ended, Failed
from tests.chaos.world import World
from tests.db_helpers import value
from tests.facts import eventually
from tests.floods import FLOODS, flood, half_handshakes
from tests.gateway_process import QuickGateway, token
from tests.integration.gateway_wire import Wire, wire
from tests.integration.test_gateway_bad_input import counted
from tests.slow import dripped, slow_wire

GONE_LIMIT_S = 40  # 10 s where the machine is free
MORE_THAN_MAY_OPEN = 4200
HALF_OPEN = '"reason": "half open"'
CLOSED_LIMIT_S = 10  # "within seconds"
PATIENT = Manners(patience_s=60)  # where the machine has much to do
ALL = {"event": "*", "schema": "public", "table": "*"}


async def honest(world: World, users: int = 2, manners: Manners = PATIENT) -> list[Client]:
    """Users with a client each, and somebody who writes their rows."""
    clients = [await world.client(await world.user(), manners=manners) for _ in range(users)]
    world.writer(*(client.record.user for client in clients))
    await world.more(20)
    return clients


async def much(world: World, user: UUID, rows: int = 300) -> None:
    """Thirty megabytes, which fit into no buffer."""
    async with await world.connected() as db:
        await db.execute(
            "insert into cargo select -1000 - n, %s, repeat('x', 100000)"
            " from generate_series(1, %s::int) n",
            (user, rows),
        )


def cuts(world: World, reason: str) -> int:
    """How many sockets the gateway has cut for that reason, as its log says."""
    log = world.gateways[0].process.logged().splitlines()
    return sum('"socket cut"' in line and f'"reason": "{reason}"' in line for line in log)


async def goes_on(world: World, clients: list[Client]) -> None:
    """Everything holds, and the honest have kept their first socket."""
    await world.holds()
    assert [client.record.sockets for client in clients] == [1] * len(clients)


@asynccontextmanager
async def unread(world: World, user: UUID) -> AsyncIterator[Wire]:
    """A socket of the user's with thirty megabytes before it, of which it reads nothing."""
    async with slow_wire(world.gateways[0].process) as one:
        await one.subscribe(token(user), {**ALL, "since": 0})
        one.connection.transport.pause_reading()
        await much(world, user)
        yield one


async def test_fault_40_never_reads(world: World) -> None:
    """It is gone in ten seconds, with its reason in the log; and resumes where it was."""
    others, user = await honest(world), await world.user()
    async with unread(world, user):
        await eventually(lambda: cuts(world, "not reading"), GONE_LIMIT_S)
    await world.client(user, manners=PATIENT)
    await goes_on(world, others)


async def test_fault_41_reads_one_byte_a_second(world: World) -> None:
    """As good as nothing. Who reads slowly but reads is served: tests/integration has that."""
    others, user = await honest(world), await world.user()
    async with unread(world, user) as dripping, dripped(dripping):
        await eventually(lambda: cuts(world, "not reading"), GONE_LIMIT_S)
    await world.client(user, manners=PATIENT)
    await goes_on(world, others)


# --- without FIN


@needs_network
async def test_fault_42_vanishes_without_a_word(worlds: Worlds) -> None:
    """One to whom nothing is sent, one to whom much is: no packet of theirs arrives any more."""
    async with far_world(worlds, QuickGateway.MODULE) as far, AsyncExitStack() as stack:
        world, cable = far.world, stack.enter_context(far.network.line())
        others, busy = await honest(world), await world.user()
        for user in (await world.user(), busy):
            one = await stack.enter_async_context(mobile(cable))
            await one.subscribe(token(user), {**ALL, "since": 0})
        world.timeline.say("network", "two clients are out of reach")
        cable.lose()
        await much(world, busy)
        await eventually(
            lambda: cuts(world, "silent") + cuts(world, "not reading") == 2, GONE_LIMIT_S
        )
        assert await counted(world.gateways[0].process, "sockets") == len(others)
        await world.client(busy, manners=PATIENT)
        await goes_on(world, others)


@asynccontextmanager
async def mobile(cable: Line) -> AsyncIterator[Wire]:
    """A client at the near end of a line to a gateway."""
    url = f"ws://{cable.there}:{GATEWAY_PORT}{PATH}"
    async with connect(url, compression=None, ping_interval=None, close_timeout=1) as connection:
        yield Wire(connection, "2.0.0")
        connection.transport.abort()


async def test_fault_43_floods(world: World) -> None:
    """Pings, junk, joins, huge frames, crumbs and half handshakes, all at once."""
    others, gateway = await honest(world), world.gateways[0].process
    async with AsyncExitStack() as floods:
        for make in FLOODS.values():
            await floods.enter_async_context(flood(gateway, make(), senders=1))
        await floods.enter_async_context(half_handshakes(gateway, MORE_THAN_MAY_OPEN))
        await eventually(lambda: counted(gateway, "frames_slowed_total"), GONE_LIMIT_S)
        await world.more(100)
        newcomer = await world.client(others[0].record.user, manners=PATIENT)
        await world.more(50)
        assert await gateway.problems() == []
        await eventually(lambda: HALF_OPEN in gateway.logged(), GONE_LIMIT_S)
        await goes_on(world, [*others, newcomer])


async def test_fault_44_one_user_with_a_thousand_sockets(world: World) -> None:
    """A hundred have a place and are served alike; the others are told why not, and wait."""
    others, user = await honest(world), await world.user()
    gateway = world.gateways[0].process
    async with crowd(gateway, user, 1000) as members:
        await eventually(lambda: all(one.joined or one.refused for one in members), GONE_LIMIT_S)
        served = [one for one in members if one.joined]
        told = "ConnectionRateLimitReached: Too many sockets of this user; at most 100"
        assert {one.refused for one in members} == {None, told}
        assert len(served) == 100
        world.writer(user)
        await world.more(100)
        for one in served[:50]:
            one.leave()
        await eventually(lambda: sockets(world, 950 + len(others)), GONE_LIMIT_S)
        waiting = [one for one in members if not one.joined]
        for one in waiting:
            one.ask()
        await eventually(lambda: all(one.joined or one.refused for one in waiting), GONE_LIMIT_S)
        assert sum(one.joined for one in waiting) == 50
        left = served[50:] + [one for one in waiting if one.joined]
        await world.stop_writing()
        async with await world.connected() as db:
            seq = await value(db, "select last_seq from sonnette.feeds where user_id = %s", user)
        whole = list(range(1, seq + 1))
        await eventually(lambda: all(one.numbers == whole for one in left), GONE_LIMIT_S)
    await world.client(user, manners=PATIENT)
    await goes_on(world, others)


async def sockets(world: World, count: int) -> bool:
    """Whether the gateway has so many."""
    return await counted(world.gateways[0].process, "sockets") == count


async def test_fault_45_a_token_ends_in_mid_stream(world: World) -> None:
    """It runs out, or is revoked: nothing more comes to it, and a new one resumes."""
    others = await honest(world)
    users = [await world.user() for _ in range(2)]
    brief = await world.client(users[0], joined=False)
    brief.token = token(users[0], ttl_s=3)  # it has not begun yet
    revoked = await world.client(users[1])
    world.writer(*users)
    await eventually(lambda: brief.record.joined)
    await world.more(20)
    async with await world.connected("sonnette_operator") as operator:
        await operator.execute("select sonnette.revoke(%s)", (revoked.record.user,))
    await eventually(lambda: (1008, "token revoked") in ends(revoked), CLOSED_LIMIT_S)
    await eventually(lambda: "Token has expired" in failures(brief), CLOSED_LIMIT_S)
    refused = "InvalidJWTToken: Token has been revoked"
    await eventually(lambda: refused in failures(revoked))
    told = [len(one.record.seqs) for one in (brief, revoked)]
    await world.more(50)
    await eventually(lambda: failures(revoked).count(refused) > 1)
    assert [len(one.record.seqs) for one in (brief, revoked)] == told
    for one in (brief, revoked):
        one.token = token(one.record.user)
    await goes_on(world, others)


def ends(client: Client) -> list[tuple[int | None, str]]:
    """How its sockets ended."""
    return [(one.code, one.reason) for one in client.record.events if isinstance(one, Ended)]


def failures(client: Client) -> list[str]:
    """Why it was not served."""
    return [one.why for one in client.record.events if isinstance(one, Failed)]


async def test_fault_46_the_same_tab_twice(world: World) -> None:
    """A tab and its duplicate, with one cursor; each comes back while the other stays."""
    user = await world.user()
    first = await world.client(user, manners=PATIENT)
    world.writer(user)
    await world.more(20)
    second = await world.client(user, manners=Manners(since=first.record.since, patience_s=60))
    for tab in (first, second, first):
        await world.more(10)
        await tab.come_back()
    async with wire(world.gateways[0].process) as impatient:
        for _ in range(3):
            last = await impatient.join(token(user), {**ALL, "since": 0})
        await world.more(20)
        await world.holds()
        assert first.record.seqs == list(range(1, len(first.record.seqs) + 1))
        await only_once(impatient, last, len(first.record.seqs))


async def only_once(impatient: Wire, join: str, last_seq: int) -> None:
    """After the answer to that join the socket is sent the whole feed, in order, once."""
    while (await impatient.frame())["ref"] != join:
        pass
    assert (await impatient.frame())["event"] == "system"
    assert [(await impatient.change()).seq for _ in range(last_seq)] == list(range(1, last_seq + 1))
    await impatient.alive()
