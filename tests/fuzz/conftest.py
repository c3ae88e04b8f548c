"""How long and with which seed: FUZZ_S seconds in all (20), SEED=n to replay a run."""

import os
import random

import pytest

TESTS = 2  # they share the time


@pytest.fixture
def duration_s() -> float:
    """How long one test goes on."""
    return float(os.environ.get("FUZZ_S", "20")) / TESTS


@pytest.fixture
def seed() -> str:
    """The run's seed; pytest shows it where a test fails."""
    chosen = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"replay this run with: make fuzz SEED={chosen}")
    return chosen
