"""One leader for each account, in real processes: frozen, cut off, and back again.

The fence is shorter here (2 s of silence instead of 15) and otherwise the same.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from db.errors import DatabaseUnavailable
from db.place import PORT
from poller.session import AccountHeld, Fence, hold
from poller.simulator import utc_now
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.poller_process import SHORT, PollerProcess, poller_process
from tests.polling import Polling, simulated
from tests.proxy import proxy, to_socket


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[Polling]:
    async with simulated(database) as (running_world, _settings):
        await running_world.script(never=True)
        yield running_world


async def test_a_frozen_leader_is_replaced_and_does_not_write_when_it_thaws(
    database: Database, world: Polling, tmp_path: Path
) -> None:
    """Fault 48: the leader freezes while its purchase is at the provider; then it thaws."""
    dsn = database.dsn("sonnette_poller")
    async with (
        poller_process(dsn, world.simulator, tmp_path / "leader.log") as leader,
        poller_process(dsn, world.simulator, tmp_path / "standby.log") as standby,
    ):
        await leader.start()
        user = await world.user()
        waiting = await world.bought(user)
        standby.launch()
        await standby.stands_by()

        await world.script(timeout_s=1, times=1)
        asked = world.provider.calls["getNumberV2"]
        bought = await world.buy(user)
        await eventually(lambda: world.provider.calls["getNumberV2"] > asked)
        leader.freeze()
        await eventually(standby.is_ready, 30)
        world.provider.deliver(await world.number(waiting), "Your code is 358042", None, utc_now())
        await world.becomes(waiting, "received")
        row = await world.becomes(bought, "pending")
        before = await all_rows(world)

        leader.thaw()
        await leader.stands_by()
        # A fence: had the thawed one anything to write, it would have done so by now.
        later = await world.bought(user)
        assert (await world.activation(bought))["order_id"] == row["order_id"]
        assert (await all_rows(world))[: len(before)] == before
        assert (await world.activation(later))["status"] == "pending"
        assert len(world.provider.numbers(utc_now())) == 3
        assert all(number.state == "active" for number in world.provider.numbers(utc_now()))
        assert await standby.is_ready()


async def all_rows(world: Polling) -> list[tuple[object, ...]]:
    cursor = await world.db.execute(
        "select id, status, order_id, sms_code from public.activations order by created_at"
    )
    return [tuple(row.values()) for row in await cursor.fetchall()]


async def test_a_poller_whose_line_is_dead_is_replaced(
    database: Database, world: Polling, tmp_path: Path
) -> None:
    """A half-open connection: packets vanish, nothing is ever closed."""
    direct = database.dsn("sonnette_poller")
    socket = f"{database.server.socket_dir}/.s.PGSQL.{PORT}"
    async with (
        proxy(to_socket(socket)) as line,
        poller_process(
            f"host=127.0.0.1 port={line.port} user=sonnette_poller dbname={database.name}",
            world.simulator,
            tmp_path / "cut_off.log",
        ) as cut_off,
        poller_process(direct, world.simulator, tmp_path / "standby.log") as standby,
    ):
        await cut_off.start()
        id = await world.bought(await world.user())
        standby.launch()
        await standby.stands_by()
        line.black_hole()
        await eventually(standby.is_ready, 30)
        world.provider.deliver(await world.number(id), "Your code is 358042", None, utc_now())
        await world.becomes(id, "received")
        assert await says(cut_off, "no answer to")
        line.heal()
        line.reset()
        await cut_off.stands_by()


async def says(poller: PollerProcess, words: str) -> bool:
    return await eventually(lambda: words in poller.logged())


async def test_the_account_is_kept_while_its_poller_lives(database: Database) -> None:
    dsn = database.dsn("sonnette_poller")
    fence = Fence(silence_s=0.6, touch_s=0.1, answer_s=5)
    async with hold(dsn, "first", fence) as session, asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(session.keep())
        deadline_s = time.monotonic() + 3 * fence.silence_s
        while time.monotonic() < deadline_s:
            with pytest.raises(AccountHeld):
                async with hold(dsn, "first", fence):
                    pass
        assert session.is_held
        keeping.cancel()


async def test_a_silent_session_knows_that_it_has_lost_the_account(database: Database) -> None:
    dsn = database.dsn("sonnette_poller")
    async with hold(dsn, "first", Fence(silence_s=0.3, touch_s=60, answer_s=60)) as session:
        assert session.is_held
        await eventually(lambda: not session.is_held)
        await eventually(lambda: _held_again(dsn))
        with pytest.raises(DatabaseUnavailable):
            await session.rows("touch")


async def _held_again(dsn: str) -> bool:
    try:
        async with hold(dsn, "first", SHORT):
            return True
    except AccountHeld:
        return False
