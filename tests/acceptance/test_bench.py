"""The benchmark runs from its start to its end, loses nothing, and leaves nothing behind."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 240


def test_the_benchmark_measures_everything_and_cleans_up() -> None:
    before = _leftovers()
    run = subprocess.run(
        [sys.executable, "-m", "bench", "--tiny"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert re.findall(r"^### (\w+)", run.stdout, re.MULTILINE) == [
        "Cost",
        "Memory",
        "Commit",
        "Sustained",
        "Kill",
        "Beside",
        "Memory",
        "Webhook",
        "Kill",
    ]
    delays = re.findall(r"^\| (gateway|bare relay) \|.*\| (\S+) \|$", run.stdout, re.MULTILINE)
    assert delays == [("gateway", "0"), ("gateway", "0"), ("bare relay", "0")]
    assert re.search(r"^\| 5 \| 10 \|.*\| 0 \|$", run.stdout, re.MULTILINE), run.stdout
    assert re.search(r"^\| 400 \|.*\| 0 \| (yes|no) \|$", run.stdout, re.MULTILINE)
    crashes = re.findall(
        r"^\| 50 \| 20 \|(?:.*\|) (\d+ \| \d+ \| \d+ \| \d+) \|$", run.stdout, re.MULTILINE
    )
    assert crashes == ["0 | 0 | 0 | 0"] * 2, run.stdout
    assert _leftovers() <= before


def _leftovers() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("sonnette-bench-*"))
