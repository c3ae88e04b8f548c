"""One seeded run: a whole world, the nemesis's plan carried out on it, and a verdict."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.client import Manners
from tests.chaos.http_clients import AskingClient, StreamingClient
from tests.chaos.moves import MOVES
from tests.chaos.nemesis import Step, plan
from tests.chaos.postgres import Template
from tests.chaos.provider import Buyer
from tests.chaos.record import Changed, Ended, Resynced
from tests.chaos.world import World, world

USERS = 4
CLIENTS_EACH = 2
GATEWAYS = 2
POLLERS = 2
SMALL: Mapping[str, str] = {"SONNETTE_MAX_BUFFER_BYTES": "65536"}  # so that not reading is noticed


@dataclass(frozen=True)
class Outcome:
    """What came of a run: `wrong`, a sentence each, must be empty; `timeline` tells all of it."""

    seed: int
    faults: int
    changes: int
    ends: int
    resyncs: int
    took_s: float
    wrong: Sequence[str]
    timeline: str

    def __str__(self) -> str:
        said = f"{self.faults} faults, {self.changes} changes told, {self.ends} sockets ended"
        verdict = f"{len(self.wrong)} WRONG" if self.wrong else "nothing wrong"
        return f"seed {self.seed}: {said}, {self.resyncs} resyncs, {self.took_s:.0f} s: {verdict}"


async def run(template: Template, folder: Path, seed: int, length_s: float) -> Outcome:
    """The run of that seed."""
    began_s = time.monotonic()
    steps = plan(seed, length_s)
    async with world(template, folder, GATEWAYS, seed, SMALL) as one:
        await one.add_service()
        for _ in range(POLLERS):
            (await one.add_poller(start=False)).process.launch()
        await people(one, random.Random(f"people {seed}"))
        wrong = []
        try:
            async with asyncio.TaskGroup() as tracks:
                for track in steps.values():
                    tracks.create_task(carry_out(one, track))
            await one.settle()
        except* AssertionError as failed:
            wrong = [str(each) for each in failed.exceptions]
        wrong += [str(found) for found in await one.findings()] + one.mistakes()
        return _outcome(one, seed, sum(map(len, steps.values())), began_s, wrong)


async def people(world: World, rng: random.Random) -> None:
    """Users, their clients at all gateways, and those who write."""
    for _ in range(USERS):
        user = await world.user()
        for _ in range(CLIENTS_EACH):
            doors = [gateway.address for gateway in world.gateways]
            rng.shuffle(doors)
            await world.client(user, doors=doors, manners=Manners(rng.choice([0, None])))
    [service] = world.services
    for kind, user in zip((AskingClient, StreamingClient), world.users, strict=False):
        await world.client(user, doors=[service.address], kind=kind)
    world.writer(*world.users, pause_s=0.02)
    world.writer(*world.users[:2], pause_s=0.5, kind=Buyer)
    world.writer(*world.users, pause_s=0.05, line=await world.line())


async def carry_out(world: World, track: Sequence[Step]) -> None:
    """One fault after the other."""
    for step in track:
        await asyncio.sleep(step.after_s)
        async with MOVES[step.move](world, step):
            await asyncio.sleep(step.hold_s)


def _outcome(world: World, seed: int, faults: int, began_s: float, wrong: Sequence[str]) -> Outcome:
    kinds = Counter(type(event) for client in world.clients for event in client.record.events)
    return Outcome(
        seed, faults, kinds[Changed], kinds[Ended], kinds[Resynced],
        time.monotonic() - began_s, wrong, world.text(),
    )  # fmt: skip
