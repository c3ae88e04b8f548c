"""`python -m tests.chaos`: seeded runs of the fault suite, more of them than `make test` has.

Says of each seed what came of it; of one that went wrong, and of one that was asked for by its
number, the whole timeline. `make soak SEEDS=30`, `make soak SEED=7`.
"""

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from db import binaries
from tests.chaos import mixed, postgres
from tests.chaos.postgres import Template
from tests.fixtures.postgres import reachable_folder

LENGTH_S = 20.0


def main() -> int:
    """1 where something went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one, with its timeline")
    parser.add_argument("--length-s", type=float, default=LENGTH_S, help="of faults, in each run")
    parser.add_argument("--pg-bindir", type=Path, help="PostgreSQL programs to use")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.seed is not None:
        seeds = range(chosen.seed, chosen.seed + 1)
    with postgres.template(binaries.find_bindir(chosen.pg_bindir)) as template:
        wrong = [
            seed for seed in seeds
            if not _good(template, seed, chosen.length_s, chosen.seed is not None)
        ]  # fmt: skip
    print(f"{len(seeds)} seeds, {len(wrong)} of them wrong{': ' * bool(wrong)}{wrong or ''}")
    return 1 if wrong else 0


def _good(template: Template, seed: int, length_s: float, told: bool) -> bool:
    folder = reachable_folder()
    try:
        outcome = asyncio.run(mixed.run(template, folder, seed, length_s))
        if told or outcome.wrong:
            print(outcome.timeline)
        for sentence in outcome.wrong[:20]:
            print("WRONG:", sentence)
        if outcome.wrong:
            _print_logs(folder)
        print(outcome, flush=True)
        return not outcome.wrong
    finally:
        shutil.rmtree(folder)


def _print_logs(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        print(f"--- {log.name}", log.read_text(), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
