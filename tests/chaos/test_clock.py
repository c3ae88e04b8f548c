"""Fault 27: the clock jumps."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from poller.simulator import utc_now
from tests.chaos.clock import Clock, needs_faketime
from tests.chaos.looking import is_well, served
from tests.chaos.postgres import Template, own_postgres
from tests.chaos.world import world
from tests.facts import eventually
from tests.gateway_process import token
from tests.polling import Polling, running, simulated

pytestmark = needs_faketime

HOUR_S = 3600
HOUR = timedelta(hours=1)
LONG_S = 7 * 24 * HOUR_S
CODE_LIMIT_S = 30


@pytest.mark.parametrize("who", ["all", "the database", "the gateway"])
async def test_fault_27_clock_jumps(data: Template, shelf: Path, tmp_path: Path, who: str) -> None:
    """Two hours on, then four back: no number, no order and no wait hangs on the time of day."""
    database, gateway = Clock(shelf / "database"), Clock(shelf / "gateway")
    template = database.postgres(data, shelf)
    moved = {"all": [database, gateway], "the database": [database], "the gateway": [gateway]}[who]
    async with world(template, tmp_path, settings=gateway.environ) as one:
        alice = await one.user()
        client = await one.client(alice, joined=False)
        client.token = token(alice, LONG_S)
        await client.come_back()
        one.writer(alice)
        await one.more(20)
        for offset_s in (2 * HOUR_S, -2 * HOUR_S):
            with one.timeline.fault(f"{who}: the clock is {offset_s} s off"):
                for clock in moved:
                    clock.set(offset_s)
            await one.more(20)
            await served(one, 5)
            await eventually(lambda: is_well(one.gateways[0]))
        await one.holds()
        assert client.record.sockets <= 2


@pytest.mark.parametrize("dialect", ["sms-activate", "smshub"])
async def test_fault_27_clock_set_back_under_the_poller(
    data: Template, shelf: Path, dialect: str
) -> None:
    """Every look was planned by the clock of before. The code is there long before that comes.

    One provider has a list of all numbers, the other has not.
    """
    clock = Clock(shelf / "database")
    key = {"sms-activate": "demo", "smshub": "demo-smshub"}[dialect]
    with own_postgres(clock.postgres(data, shelf), {}) as database:
        async with (
            simulated(database, dialect=dialect) as (polling, settings),
            running(settings, dialect=dialect, api_key=key),
        ):
            user = await polling.user()
            await polling.script(never=True)
            id = await polling.bought(user)
            await polling.looked_at(id, 1)
            clock.set(-2 * HOUR_S)
            assert (await polling.work(id))["next_check_at"] > await now(polling) + HOUR
            number = await polling.number(id)
            polling.provider.deliver(number, "Your code is 358042", None, utc_now())
            await polling.becomes(id, "received", CODE_LIMIT_S)
            assert [code for code, _text in await polling.messages(id)] == ["358042"]
            assert await polling.wallet(user) == ("9.50", "0.00")


async def now(polling: Polling) -> datetime:
    """The time, as the database has it."""
    found = (await polling.one("select clock_timestamp() as now"))["now"]
    assert isinstance(found, datetime)
    return found
