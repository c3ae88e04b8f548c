"""A list and what follows its feed_seq are together what a SELECT says, whoever writes meanwhile.

Clients begin at any moment between the writes, on either transport; each keeps the rows that it
knows of, and at the end knows just those that are there, having been told each change once.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import SECRET, RunningService, token
from tests.gateway_process import GatewayProcess, gateway_process
from tests.integration.gateway_wire import Frame, wire
from tests.market import Market

WRITES = 120
WRITERS = 3
CLIENTS = 4
SHOWN = ("status", "phone", "operator", "sms_code", "sms_count")


@pytest_asyncio.fixture
async def gateway(database: Database, tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    """A gateway that knows the service's tokens."""
    dsn, log = database.dsn("sonnette_gateway"), tmp_path / "gateway.log"
    async with gateway_process(dsn, log, SONNETTE_JWT_SECRET=SECRET) as running:
        yield running


class Picture:
    """What one client knows: rows by id. `numbers` are the changes that it was told."""

    def __init__(self, listed: Frame) -> None:
        self.since: int = listed["feed_seq"]
        self.epoch: str = listed["epoch"]
        self.numbers: list[int] = [self.since]
        self.rows = {row["id"]: shown(row) for row in listed["items"]}

    def change(self, seq: int, type_: str, row: Frame) -> None:
        """One change of an activation."""
        self.numbers.append(seq)
        if type_ == "DELETE":
            self.rows.pop(row["id"], None)
        else:
            self.rows[row["id"]] = shown(row)


def shown(row: Frame) -> tuple[Any, ...]:
    """What can be compared over both transports."""
    return tuple(row[name] for name in SHOWN)


async def picture(client: httpx.AsyncClient) -> Picture:
    """What a client begins with."""
    return Picture((await client.get("/v1/activations?limit=100")).json())


async def by_socket(gateway: GatewayProcess, user: UUID, known: Picture) -> None:
    """Follow on the WebSocket until cancelled."""
    binding = {
        "event": "*", "schema": "public", "table": "activations",
        "since": known.since, "epoch": known.epoch,
    }  # fmt: skip
    async with wire(gateway) as socket:
        await socket.subscribe(token(user), binding)
        while True:
            seen = await socket.change()
            assert seen.prev == known.numbers[-1]
            known.change(seen.seq, seen.type, seen.row)


async def by_polls(client: httpx.AsyncClient, known: Picture) -> None:
    """Follow /v1/changes until cancelled."""
    after = known.since
    while True:
        query: dict[str, str | int] = {"after": after, "epoch": known.epoch, "wait": 5, "limit": 7}
        page = (await client.get("/v1/changes", params=query)).json()
        numbers = [change["feed_seq"] for change in page["changes"]]
        assert numbers == list(range(after + 1, after + 1 + len(numbers)))
        for change in page["changes"]:
            if change["table"] == "activations":
                row = change["record"] or change["old_record"]
                known.change(change["feed_seq"], change["type"], row)
        after = page["feed_seq"]


async def write(shop: Market, user: UUID, dice: random.Random, times: int) -> None:
    """What may happen to a user's numbers, in any order."""
    waiting: list[UUID] = []
    every: list[UUID] = []
    for number in range(times):
        match dice.choice(["buy", "code", "note", "delete", "all"]):
            case "code" if waiting:
                await shop.bring_code(waiting.pop(), f"{number:06d}")
            case "note" if every:
                await shop.note(dice.choice(every), f"note {number}")
            case "delete" if len(every) > 2:
                gone = every.pop(dice.randrange(len(every)))
                waiting = [one for one in waiting if one != gone]
                await shop.delete(gone)
            case "all" if every:
                await shop.operator.execute(
                    "update activations set operator = %s where id = any(%s)",
                    (f"all {number}", every),
                )
            case _:
                every.append(await shop.pending(user))
                waiting.append(every[-1])
        await asyncio.sleep(dice.random() * 0.01)


async def what_is_there(shop: Market, user: UUID) -> dict[str, tuple[Any, ...]]:
    """The SELECT."""
    columns = ", ".join(SHOWN)
    cursor = await shop.owner.execute(
        f"select id::text, {columns} from activations where user_id = %s".encode(), (user,)
    )
    return {row[0]: tuple(row[1:]) for row in await cursor.fetchall()}


async def last_change(shop: Market, user: UUID) -> int:
    """The number of the last change of an activation."""
    cursor = await shop.owner.execute(
        "select max(seq) from sonnette.numbers m join sonnette.changes using (tx, n)"
        " where m.user_id = %s and table_name = 'activations'",
        (user,),
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def writing(shop: Market, user: UUID, dice: random.Random) -> AsyncIterator[None]:
    """Several who write at once; at the end of the block all have done."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(WRITERS):
            tasks.create_task(write(shop, user, dice, WRITES // WRITERS))
        yield


@pytest.mark.parametrize("seed", range(3))
async def test_whenever_a_client_begins_it_ends_with_what_is_there(
    service: RunningService, gateway: GatewayProcess, shop: Market, seed: int
) -> None:
    dice = random.Random(seed)
    user = await shop.new_user("100.00")
    pictures: list[Picture] = []
    async with service.user(user) as client, asyncio.TaskGroup() as tasks:
        following: list[asyncio.Task[None]] = []
        async with writing(shop, user, dice):
            for number in range(CLIENTS):
                await asyncio.sleep(dice.random() * 0.3)
                pictures.append(await picture(client))
                follow = (
                    by_socket(gateway, user, pictures[-1])
                    if number % 2
                    else by_polls(client, pictures[-1])
                )
                following.append(tasks.create_task(follow))
        last = await last_change(shop, user)
        await eventually(lambda: all(one.numbers[-1] >= last for one in pictures), 30)
        for task in following:
            task.cancel()
    there = await what_is_there(shop, user)
    assert there
    for one in pictures:
        assert one.rows == there
        assert one.numbers == sorted(set(one.numbers))
    assert len({one.since for one in pictures}) > 1, "they began at different moments"
