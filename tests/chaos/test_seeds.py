"""Mixed runs, drawn by a seed: everything at once, and nothing is lost, doubled or out of order.

`make soak SEEDS=30` has more of them, and longer ones; `make soak SEED=n` plays one again.
"""

from pathlib import Path

import pytest

from tests.chaos import mixed
from tests.chaos.moves import MOVES
from tests.chaos.nemesis import TRACKS, plan
from tests.chaos.postgres import Template

LENGTH_S = 8


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_seeded_run_goes_well(data: Template, tmp_path: Path, seed: int) -> None:
    outcome = await mixed.run(data, tmp_path, seed, LENGTH_S)
    print(outcome.timeline)
    print(f"longer, and with the gateways' logs: make soak SEED={seed}")
    assert outcome.wrong == []


def test_a_plan_follows_from_its_seed_alone() -> None:
    assert plan(1, 20) == plan(1, 20) != plan(2, 20)


def test_every_fault_that_is_drawn_is_known() -> None:
    drawn = [name for track in TRACKS.values() for name in track]
    assert sorted(drawn) == sorted(MOVES)
