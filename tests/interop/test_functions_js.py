"""supabase.functions.invoke of the unmodified @supabase/supabase-js, against the real service.

Poller and provider are real, too: what the front end is told has gone all the way.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest_asyncio

from poller.simulator import utc_now
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service, token
from tests.gateway_process import anon_key
from tests.needs import NODE_CLIENT, find_node, needs_node
from tests.polling import Polling, polling

pytestmark = needs_node

CHECK, RECOVER = "check-sms-activate-status", "update-activation-sms"
LIMIT_S = 60


@dataclass(frozen=True)
class FrontEnd:
    """What a user's page does; its user has a number that waits."""

    world: Polling
    service: RunningService
    user: UUID

    async def invoke(self, *calls: tuple[str, object], known: bool = True) -> list[dict[str, Any]]:
        """What each call gave."""
        node = find_node()
        assert node is not None
        asked = {
            "url": self.service.address.url(),
            "key": anon_key(),
            "token": token(self.user) if known else None,
            "calls": calls,
        }
        done = await _run([str(node), "functions.mjs", json.dumps(asked)])
        return [json.loads(line) for line in done.splitlines()]


async def _run(command: list[str]) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        command, cwd=NODE_CLIENT, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest_asyncio.fixture
async def page(database: Database) -> AsyncIterator[FrontEnd]:
    async with polling(database) as world, running_service(database) as service:
        await world.script(never=True)
        yield FrontEnd(world, service, await world.user())


def data(status: str, code: str | None = None) -> dict[str, object]:
    text = None if code is None else f"Your code is {code}"
    told = {"status": status, "sms_code": code, "sms_text": text, "charged": code is not None}
    return {"data": {"success": True, "data": told}, "error": None}


async def test_a_front_end_that_polls_sees_the_code(page: FrontEnd) -> None:
    id = await page.world.bought(page.user)
    check = (CHECK, {"activationId": str(id)})
    assert await page.invoke(check) == [data("pending")]
    page.world.provider.deliver(await page.world.number(id), "Your code is 358042", None, utc_now())
    await page.world.becomes(id, "received")
    assert await page.invoke(check) == [data("received", "358042")]


async def test_a_front_end_that_recovers_sees_the_code(page: FrontEnd) -> None:
    """By our id and by the provider's, as a string and as a number."""
    id = await page.world.bought(page.user)
    for action in ("getActiveActivations", "getStatus"):
        await page.world.script(action=action, error="ERROR_SQL")
    await page.world.looked_at(id)
    number = await page.world.number(id)
    page.world.provider.deliver(number, "Your code is 358042", None, utc_now())
    names: list[object] = [str(id), number.id, int(number.id)]
    told = await page.invoke(*((RECOVER, {"orderId": name}) for name in names))
    assert told == [data("received", "358042")] * 3
    assert await page.world.wallet(page.user) == ("9.50", "0.00")


async def test_its_errors_are_those_that_supabase_js_knows(page: FrontEnd) -> None:
    id = await page.world.bought(await page.world.user())
    told = await page.invoke(
        (CHECK, {"activationId": str(id)}), (RECOVER, {"orderId": str(id)}), ("no-such", {})
    )
    for one in told:
        assert one["data"] is None
        assert (one["error"]["name"], one["error"]["status"]) == ("FunctionsHttpError", 404)
    assert [one["error"]["error"] for one in told] == [
        "no such activation",
        "no such activation",
        "there is no such resource",
    ]


async def test_a_front_end_that_is_not_signed_in_is_refused(page: FrontEnd) -> None:
    [told] = await page.invoke((CHECK, {"activationId": "1"}), known=False)
    assert (told["error"]["name"], told["error"]["status"]) == ("FunctionsHttpError", 401)
    assert isinstance(told["error"]["error"], str)
