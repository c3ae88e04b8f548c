"""The measurements of the poller run from their start to their end, and leave nothing behind."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 180


@pytest.mark.parametrize(
    ("words", "title", "row"),
    [
        (
            ("bench.reliability", "20", "--per-s", "10", "--tail-s", "90"),
            "Reliability under seeded chaos",
            r"^\| 20 \| 20 \| \S+ \| 100\.000% \|",
        ),
        (
            ("bench.live", "20", "--seconds", "2", "--sms", "5"),
            "Live numbers on one poller",
            r"^\| 5 \|.*\| 0 \|$",
        ),
    ],
)
def test_a_measurement_of_the_poller_finds_every_code(
    words: tuple[str, ...], title: str, row: str
) -> None:
    before = _leftovers()
    run = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr + run.stdout
    assert f"### {title}" in run.stdout
    assert re.search(row, run.stdout, re.MULTILINE), run.stdout
    assert _leftovers() <= before


def _leftovers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("sonnette-bench-*"))
