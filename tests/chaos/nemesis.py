"""What befalls a world, drawn by a seed: when, what, to whom, and for how long.

Pure. The plan follows from the seed and the length alone, so a seed that was once printed gives the
same plan again. Several tracks run beside each other, so that a gateway may die while its Postgres
restarts; within a track one fault is over before the next begins. What the names mean is in
tests/chaos/moves.py.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GAP_S = (0.3, 2.0)


@dataclass(frozen=True)
class Fault:
    """How often it is drawn, compared to others of its track, and how long it lasts."""

    weight: int
    hold_s: tuple[float, float] = (0.2, 2.0)


@dataclass(frozen=True)
class Step:
    """One fault of a plan. `whom`: of those that it may befall, the one at this share of them."""

    after_s: float
    move: str
    whom: float
    hold_s: float

    def chosen(self, count: int) -> int:
        """Which of `count`."""
        return int(self.whom * count)


TRACKS: Mapping[str, Mapping[str, Fault]] = {
    "gateways": {
        "gateway killed": Fault(3),
        "gateway frozen": Fault(2, (0.5, 6.0)),
        "gateway ended": Fault(2),
        "clients cut off": Fault(2, (0, 0)),
        "clients reset": Fault(2, (0, 0)),
        "clients refused": Fault(1),
        "clients in a black hole": Fault(2, (0.5, 6.0)),
        "clients on a slow line": Fault(1, (0.5, 3.0)),
    },
    "lines": {
        "database cut off": Fault(2, (0, 0)),
        "database reset": Fault(2, (0, 0)),
        "database refused": Fault(2),
        "database in a black hole": Fault(2, (0.5, 9.0)),
        "database on a slow line": Fault(1, (0.5, 3.0)),
        "listener terminated": Fault(2, (0, 0)),
        "everybody terminated": Fault(1, (0, 0)),
        "foreign rings": Fault(1, (0, 0)),
    },
    "database": {
        "Postgres killed": Fault(1, (0.1, 2.0)),
        "Postgres crashed": Fault(1, (0.1, 2.0)),
        "Postgres restarted": Fault(1, (0.1, 2.0)),
        "operator at lunch": Fault(2, (0.5, 4.0)),
        "large transaction": Fault(2, (0, 0)),
        "late commit": Fault(3, (0.2, 2.0)),
        "owner changed": Fault(2, (0, 0)),
        "log pruned": Fault(1, (0, 0)),
        "another history": Fault(1, (0, 0)),
    },
    "others": {
        "service killed": Fault(2),
        "service ended": Fault(1),
        "service cut off": Fault(1, (0, 0)),
        "poller killed": Fault(3),
        "poller frozen": Fault(2, (0.5, 5.0)),
        "poller cut off": Fault(2, (0, 0)),
        "poller in a black hole": Fault(1, (0.5, 5.0)),
        "provider fails": Fault(3, (0.5, 3.0)),
    },
    "clients": {
        "client comes back": Fault(4, (0, 0)),
        "client vanishes": Fault(3, (0, 0)),
        "client does not read": Fault(2, (0.5, 5.0)),
        "newcomer from the start": Fault(1, (0, 0)),
        "newcomer from now": Fault(1, (0, 0)),
    },
}


def plan(seed: int, length_s: float) -> Mapping[str, Sequence[Step]]:
    """The steps of each track, for about `length_s` seconds."""
    rng = random.Random(f"nemesis {seed}")
    return {track: _steps(rng, faults, length_s) for track, faults in TRACKS.items()}


def _steps(rng: random.Random, faults: Mapping[str, Fault], length_s: float) -> list[Step]:
    steps: list[Step] = []
    passed_s = 0.0
    while passed_s < length_s:
        [move] = rng.choices(list(faults), [fault.weight for fault in faults.values()])
        after_s, hold_s = rng.uniform(*GAP_S), rng.uniform(*faults[move].hold_s)
        steps.append(Step(after_s, move, rng.random(), hold_s))
        passed_s += after_s + hold_s
    return steps
