"""A machine with a real systemd, for the tests of the units: this one's /usr, all else its own.

Booted by systemd-nspawn and gone after the block. It is given this Python, these packages and a
Postgres' socket; `machine` shares the network with the tests and has our units, with another
ExecStart, `bare` has nothing of ours yet, and no network but its own.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.facts import wait_until

ROOT = Path(__file__).parents[1]
UNITS = ROOT / "deploy" / "systemd"
PACKAGES = ("db", "process", "service", "poller", "gateway", "sonnette")
BOOT_LIMIT_S = 60
COMMAND_LIMIT_S = 60
START = "ExecStart=/opt/sonnette/bin/sonnette"
OURS = """Environment=PYTHONPATH=/opt/ours:/opt/site LD_LIBRARY_PATH=/opt/python/lib
ExecStart=/opt/python/bin/{python} -m sonnette"""

STAND_INS = {
    "python3": """#!/bin/sh
[ "$1 $2" = "-m venv" ] && mkdir -p "$3/bin" && cp /opt/stand-ins/pip "$3/bin/pip"
""",
    "pip": """#!/bin/sh
case "$*" in
"install --require-hashes -r requirements.lock") grep -q sha256 requirements.lock ;;
"install --no-deps .") test -f pyproject.toml && cp /opt/stand-ins/sonnette "${{0%/*}}/sonnette" ;;
*) exit 1 ;;
esac
""",
    "sonnette": """#!/bin/sh
PYTHONPATH=/opt/ours:/opt/site LD_LIBRARY_PATH=/opt/python/lib \
    exec /opt/python/bin/{python} -m sonnette "$@"
""",
}

needs_nspawn = pytest.mark.skipif(
    shutil.which("systemd-nspawn") is None or os.geteuid() != 0,
    reason="needs root and systemd-nspawn (Debian: systemd-container)",
)


class Machine:
    """A booted machine. Every command is carried out in it."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, *words: str) -> str:
        """What a command prints; it has to succeed."""
        said = self._enter(words)
        if said.returncode:
            print(self._enter(("journalctl", "-n", "40", "--no-pager")).stdout)
        assert said.returncode == 0, f"{words}: {said.stdout}{said.stderr}"
        return said.stdout

    def succeeds(self, *words: str) -> bool:
        """Whether a command does."""
        return self._enter(words).returncode == 0

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()

    @property
    def has_booted(self) -> bool:
        return self._enter(("systemctl", "is-system-running")).stdout.strip() in (
            "running",
            "degraded",
        )

    def _enter(self, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-p", "-n", "-C", "--", *words],
            env={"PATH": "/usr/sbin:/usr/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )


def rendered(folder: Path) -> list[Path]:
    """The units as they are, but that they start this Python; written to `folder`."""
    python = Path(sys.executable).resolve().name
    ours = OURS.format(python=python)
    written = []
    for unit in sorted(UNITS.iterdir()):
        written.append(folder / unit.name)
        written[-1].write_text(unit.read_text().replace(START, ours))
    return written


@contextmanager
def machine(folder: Path, credentials: Mapping[str, str], socket_dir: Path) -> Iterator[Machine]:
    """A machine with our units, and `credentials` in /etc/sonnette; Postgres is in /opt/pg."""
    units, etc = folder / "units", folder / "etc"
    units.mkdir()
    (etc / "keys").mkdir(parents=True)
    rendered(units)
    for name, text in credentials.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o600)
    binds = {units: "/etc/systemd/system", etc: "/etc/sonnette"}
    with _nspawn(folder, _binds(binds, socket_dir)) as booted:
        yield booted


@contextmanager
def bare(folder: Path, socket_dir: Path) -> Iterator[Machine]:
    """A machine with a checkout in /opt/checkout; what a page has one type is to do the rest.

    It has no way to a package index, so its `python3 -m venv` and `pip` are stand-ins that
    understand what the page says, to the word, and "install" a `sonnette` that runs this checkout.
    """
    for name, text in STAND_INS.items():
        (folder / name).write_text(text.format(python=Path(sys.executable).resolve().name))
        (folder / name).chmod(0o755)
    binds = {folder: "/opt/stand-ins", ROOT: "/opt/checkout"}
    with _nspawn(folder, ["--private-network", *_binds(binds, socket_dir)]) as booted:
        yield booted


@contextmanager
def _nspawn(folder: Path, words: list[str]) -> Iterator[Machine]:
    name = f"sonnette-{uuid4().hex[:8]}"
    with (folder / "console").open("w") as console:
        booted = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "-D", "/", "--volatile=yes", f"--machine={name}",
             "--register=no", "--keep-unit", "--console=pipe", "--kill-signal=SIGRTMIN+3",
             *words, "--boot", "systemd.firstboot=off", "systemd.unit=basic.target",
             "systemd.mask=systemd-networkd-wait-online.service"],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console,
        )  # fmt: skip
    try:
        yield _booted(booted, folder / "console")
    finally:
        booted.terminate()
        try:
            booted.wait(COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired:
            booted.kill()
            booted.wait()


def _binds(more: Mapping[Path, str], socket_dir: Path) -> list[str]:
    site = sysconfig.get_paths()["purelib"]
    binds = {str(ROOT / package): f"/opt/ours/{package}" for package in PACKAGES}
    binds |= {sys.base_prefix: "/opt/python", site: "/opt/site", str(socket_dir): "/opt/pg"}
    binds |= {str(here): there for here, there in more.items()}
    return [f"--bind-ro={here}:{there}" for here, there in binds.items()]


def _booted(nspawn: subprocess.Popen[bytes], console: Path) -> Machine:
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")

    def up() -> Machine | None:
        assert nspawn.poll() is None, console.read_text()
        leaders = children.read_text().split()
        found = [Machine(int(leader)) for leader in leaders]
        return next((one for one in found if one.has_booted), None)

    found = wait_until(up, BOOT_LIMIT_S)
    assert found is not None
    return found
