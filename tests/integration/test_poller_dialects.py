"""Each dialect end to end: the poller's own code, a real database, its provider over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from tests.fixtures.postgres import Database
from tests.polling import Polling, running, simulated

KEYS = {
    "sms-activate": "demo",
    "hero": "demo-hero",
    "tiger": "demo-tiger",
    "grizzly": "demo-grizzly",
    "smsbower": "demo-smsbower",
    "smshub": "demo-smshub",
    "5sim": "demo",
}
WANTED = {"5sim": ("whatsapp", "indonesia")}


@dataclass(frozen=True)
class World:
    """A poller with one account, of one dialect."""

    polling: Polling
    dialect: str

    async def buy(self, user: UUID) -> UUID:
        service, country = WANTED.get(self.dialect, ("wa", "6"))
        row = await self.polling.one("select (sonnette.buy(%s, %s, %s)).id", user, service, country)
        assert isinstance(row["id"], UUID)
        return row["id"]

    async def state(self, id: UUID) -> object:
        """What became of the number at its provider."""
        row = await self.polling.activation(id)
        url = f"{self.polling.simulator.url()}/sim/numbers"
        numbers = (await self.polling.web.get(url)).json()["items"]
        (number,) = [number for number in numbers if number["id"] == row["order_id"]]
        assert number["dialect"] == self.dialect
        assert number["phone"] == row["phone"]
        return number["state"]

    async def calls(self) -> dict[str, int]:
        url = f"{self.polling.simulator.url()}/sim/calls"
        answer = await self.polling.web.get(url, params={"dialect": self.dialect})
        found: dict[str, int] = answer.json()
        return found


@asynccontextmanager
async def world_of(database: Database, folder: Path, dialect: str) -> AsyncIterator[World]:
    async with simulated(database) as (polling, settings):
        path = "/v1" if dialect == "5sim" else "/stubs/handler_api.php"
        file = folder / "accounts.toml"
        file.write_text(
            f'[[account]]\nname = "one"\ndialect = "{dialect}"\napi_key = "{KEYS[dialect]}"\n'
            f'url = "{polling.simulator.url()}{path}"\ncancel_after_s = 0\nrequests_per_s = 100\n'
        )
        async with running(replace(settings, providers=file)):
            yield World(polling, dialect)


@pytest.mark.parametrize("dialect", KEYS)
async def test_a_number_is_bought_received_and_finished_or_given_back_or_kept(
    database: Database, tmp_path: Path, dialect: str
) -> None:
    async with world_of(database, tmp_path, dialect) as world:
        polling = world.polling
        user = await polling.user()

        await polling.script(delay_s=0.2, code="358042", times=1)
        received = await world.buy(user)
        assert (await polling.becomes(received, "received"))["sms_code"] == "358042"
        await polling.ask(user, received, "finish")
        await polling.becomes(received, "completed")
        assert await world.state(received) == "finished"
        assert await polling.wallet(user) == ("9.50", "0.00")

        await polling.script(never=True, times=1)
        given_back = await world.buy(user)
        await polling.becomes(given_back, "pending")
        await polling.ask(user, given_back, "cancel")
        await polling.becomes(given_back, "cancelled")
        assert await world.state(given_back) == "cancelled"

        await polling.script(never=True, cancel_after_s=120, times=1)
        kept = await world.buy(user)
        await polling.becomes(kept, "pending")
        request = await polling.ask(user, kept, "cancel")
        assert await polling.answered(request) == "refused"
        row = await polling.activation(kept)
        assert (row["status"], row["failure"]) == ("pending", "cancel_too_early")
        assert await world.state(kept) == "active"
        assert await polling.wallet(user) == ("9.50", "0.50")


@pytest.mark.parametrize("dialect", ["sms-activate", "hero", "tiger", "grizzly", "5sim"])
async def test_several_sms_of_one_number_are_each_a_message(
    database: Database, tmp_path: Path, dialect: str
) -> None:
    async with world_of(database, tmp_path, dialect) as world:
        await world.polling.script(delay_s=0, code="111111", second_sms=0.001)
        user = await world.polling.user()
        id = await world.buy(user)
        await world.polling.becomes(id, "received")
        # A list or a check that has both was needed: a single status tells the newest alone.
        codes = [code for code, _ in await world.polling.messages(id)]
        assert codes[0] == "111111"
        assert len(codes) == 2
        assert await world.polling.wallet(user) == ("9.50", "0.00")


@pytest.mark.parametrize(
    ("dialect", "batch", "single"),
    [
        ("hero", "getActiveActivations", "getStatus"),
        ("5sim", "orders", "check"),
        ("smsbower", "getStatus", "getActiveActivations"),
        ("smshub", "getStatus", "getActiveActivations"),
    ],
)
async def test_many_numbers_are_asked_for_at_once_where_that_is_possible(
    database: Database, tmp_path: Path, dialect: str, batch: str, single: str
) -> None:
    async with world_of(database, tmp_path, dialect) as world:
        await world.polling.script(delay_s=1, code="358042")
        user = await world.polling.user()
        ids = [await world.buy(user) for _ in range(3)]
        for id in ids:
            await world.polling.becomes(id, "received")
        calls = await world.calls()
        assert calls.get(batch, 0) > 0
        assert calls.get(single, 0) == 0


async def test_a_limit_on_numbers_holds_up_a_purchase_and_no_code(
    database: Database, tmp_path: Path
) -> None:
    async with world_of(database, tmp_path, "hero") as world:
        polling = world.polling
        user = await polling.user()
        await polling.script(delay_s=0.5, code="358042", times=1)
        waits = await world.buy(user)
        await polling.becomes(waits, "pending")
        await polling.script(action="getNumberV2", error="CHANNELS_LIMIT", times=2)
        later = await world.buy(user)
        await polling.becomes(waits, "received")
        await polling.becomes(later, "pending")
        account = await polling.one("select state, failures from sonnette.accounts")
        assert (account["state"], account["failures"]) == ("up", 0)
        assert (await world.calls())["getNumberV2"] == 4
