"""The wheel has all that it takes: installed in an environment of its own, it runs.

What it depends on is lent to that environment; nothing of the tree is.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx
import pytest

from tests.fixtures.running import Running

ROOT = Path(__file__).parents[2]
PARTS = ("db", "process", "service", "poller", "gateway", "sonnette")
FILES = ("pyproject.toml", "README.md", "LICENSE")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment with the wheel in it."""
    source, out, env = tmp_path / "source", tmp_path / "out", tmp_path / "env"
    source.mkdir()
    for part in PARTS:
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source)
    _done(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source)
    _done(sys.executable, "-m", "venv", "--without-pip", env)
    (wheel,) = out.iterdir()
    python = env / "bin" / "python"
    _done(*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel)
    (site,) = env.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    return env


def test_what_is_installed_from_the_wheel_runs(
    environment: Path, home: Path, pg_bindir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(environment)  # where nothing of ours lies to be imported by accident
    where = _done(environment / "bin" / "python", "-c", "import db; print(db.__file__)")
    assert Path(where.strip()).is_relative_to(environment)
    program = environment / "bin" / "sonnette"
    with Running(home, pg_bindir, program=program) as started:
        started.ready()
        page = httpx.get(started.fact("service"))
        assert (page.status_code, "<html" in page.text) == (200, True)
        assert started.stop() == 0


def _done(*words: str | Path) -> str:
    said = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stderr
    return said.stdout
