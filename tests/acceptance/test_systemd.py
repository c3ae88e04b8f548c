"""The units under a real systemd: the page's installation, readiness, watchdog, restart, stop."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from db import embedded
from db.embedded import Server
from tests.db_helpers import ALICE
from tests.facts import eventually, wait_until
from tests.fixtures.postgres import Database, reachable_folder
from tests.fixtures.running import free_ports
from tests.gateway_process import SECRET
from tests.integration.gateway_wire import CARGO, follower
from tests.machine import ROOT, Machine, bare, machine, needs_nspawn, rendered

EXPOSURE_AT_MOST = 1.5
needs_createdb = pytest.mark.skipif(
    shutil.which("createdb") is None, reason="needs createdb (Debian: postgresql-15)"
)
WATCHDOG = "[Service]\nWatchdogSec=6s\n"


@dataclass(frozen=True)
class Place:
    """One gateway's address, as the wire wants it."""

    port: int

    def websocket_url(self, _key: str | None, _vsn: str | None) -> str:
        return f"ws://127.0.0.1:{self.port}/realtime/v1/websocket?vsn=2.0.0"


# What the page leaves to who reads it: where the database is, and the provider's key.
FILLED_IN = {":PASSWORD@db.example/sonnette": "@/sonnette?host=/opt/pg", "echo KEY": "echo demo"}
TYPED_BY = "cd /opt/checkout; export PATH=/opt/stand-ins:$PATH PGHOST=/opt/pg PGUSER=postgres\n"
PAGE = ROOT / "docs" / "operations.md"


PYTHON = f"/opt/python/bin/{Path(sys.executable).resolve().name}"
READY = (
    PYTHON,
    "-c",
    "import sys, urllib.request as u; u.urlopen(f'http://127.0.0.1:{sys.argv[1]}/readyz')",
)


def typed(section: str) -> str:
    """Every command of that section of the page, in its order."""
    text = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    commands = "\n".join(lines)
    for blank, own in FILLED_IN.items():
        assert section != "Install" or blank in commands
        commands = commands.replace(blank, own)
    return commands


@pytest.fixture
def empty(pg_bindir: Path) -> Iterator[Server]:
    """A server of this test's own that has never heard of Sonnette."""
    home = reachable_folder()
    try:
        with embedded.start(home, bindir=pg_bindir, fsync=False) as running:
            with psycopg.connect(running.dsn(dbname="postgres"), autocommit=True) as db:
                db.execute("drop database sonnette")
            yield running
    finally:
        shutil.rmtree(home)


@pytest.fixture
def ports() -> list[int]:
    """For the gateway, the service and the poller."""
    return free_ports(3)


@pytest.fixture
def booted(database: Database, tmp_path: Path, ports: list[int]) -> Iterator[Machine]:
    """A machine that has all that the installation page asks for."""
    url = "postgresql://sonnette_{}@/" + database.name + "?host=/opt/pg&port=5432"
    etc = {f"{one}.database-url": url.format(one) for one in ("service", "gateway", "poller")}
    etc["jwt-secret"] = SECRET
    etc["keys/demo"] = "demo"
    etc["providers.toml"] = (
        '[[account]]\nname = "one"\ndialect = "sms-activate"\nurl = "http://127.0.0.1:9"\n'
        'api_key_credential = "keys_demo"\n'
    )
    for part, port in zip(("service", "poller"), ports[1:], strict=True):
        etc[f"{part}.env"] = f"SONNETTE_{part.upper()}_LISTEN=127.0.0.1:{port}\n"
    with (
        _open_to_all(database.server.socket_dir) as socket_dir,
        machine(tmp_path, etc, socket_dir) as running,
    ):
        yield running


@contextmanager
def _open_to_all(socket_dir: Path) -> Iterator[Path]:
    """The socket for every account, as a server in use has it, for the length of a block."""
    paths = {path: path.stat().st_mode for path in (socket_dir, socket_dir / ".s.PGSQL.5432")}
    for path in paths:
        path.chmod(0o777)
    yield socket_dir
    for path, mode in paths.items():
        path.chmod(stat.S_IMODE(mode))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_units_are_what_systemd_understands_and_expose_little(tmp_path: Path) -> None:
    instances = {"sonnette-gateway@.service": "sonnette-gateway@8001.service"}
    instances["sonnette-gateway@.socket"] = "sonnette-gateway@8001.socket"
    units = []
    for unit in rendered(tmp_path):
        text = unit.read_text().replace("/opt/python/bin/", f"{Path(os.__file__).parents[2]}/bin/")
        units.append(tmp_path / instances.get(unit.name, unit.name))
        units[-1].write_text(text)
    environ = os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    said = _analyze(["verify", *map(str, units)], environ)
    assert said == "", "a mistyped key is only ever a warning"
    for unit in units:
        if unit.suffix == ".service":
            score = _analyze(["security", "--offline=true", str(unit)], environ).split(": ")[-1]
            assert float(score.split()[0]) <= EXPOSURE_AT_MOST, unit.name
            assert "\nLimitCORE=0\n" in unit.read_text(), "a core would hold keys and codes"


@needs_nspawn
async def test_a_restart_refuses_nobody_and_loses_nothing(
    database: Database, booted: Machine, ports: list[int]
) -> None:
    unit = f"sonnette-gateway@{ports[0]}.service"
    with psycopg.connect(database.dsn(), autocommit=True) as db:
        db.execute(CARGO)
        db.execute("select sonnette.watch('cargo', 'owner')")
        await asyncio.to_thread(booted.run, "systemctl", "start", unit)
        first = booted.show(unit, "MainPID")
        async with follower(Place(ports[0]), ALICE) as alice:  # type: ignore[arg-type]
            await eventually(lambda: alice.sockets == 1)
            restarting = asyncio.create_task(
                asyncio.to_thread(booted.run, "systemctl", "restart", unit)
            )
            written = 0
            while not restarting.done() or written < 50:
                written += 1
                db.execute("insert into cargo values (%s, %s)", (written, ALICE))
                # Whoever connects meanwhile waits in the socket unit's queue.
                _, writer = await asyncio.open_connection("127.0.0.1", ports[0])
                writer.close()
                await asyncio.sleep(0.01)
            await restarting
            await eventually(lambda: alice.numbers == list(range(1, written + 1)), 30)
            assert alice.sockets > 1
    assert booted.show(unit, "MainPID") != first
    assert booted.show(unit, "Result") == "success", "it ended by itself, within its time"


@needs_nspawn
def test_each_starts_with_its_credentials_and_stops_in_time(
    booted: Machine, ports: list[int]
) -> None:
    parts = ["sonnette-service", f"sonnette-gateway@{ports[0]}", "sonnette-poller"]
    booted.run("systemctl", "start", *parts)
    for part in parts:
        assert booted.show(part, "ActiveState") == "active", "Type=notify: it has said so"
        environ = booted.run("cat", f"/proc/{booted.show(part, 'MainPID')}/environ")
        assert SECRET not in environ
        assert "postgresql://" not in environ
        assert "sonnette" not in booted.show(part, "StatusText"), "no credential in a status"
        assert booted.show(part, "LimitCORE") == "0"
    booted.run("systemctl", "stop", *parts)
    for part in parts:
        assert (booted.show(part, "ActiveState"), booted.show(part, "Result")) == (
            "inactive",
            "success",
        )


@needs_nspawn
@needs_createdb
def test_the_pages_installation_and_upgrade_word_for_word(empty: Server, tmp_path: Path) -> None:
    units = ["sonnette-service", "sonnette-poller", "sonnette-gateway@8001"]
    with _open_to_all(empty.socket_dir) as socket_dir, bare(tmp_path, socket_dir) as installed:
        installed.run("sh", "-exc", TYPED_BY + typed("Install"))
        first = [installed.show(unit, "MainPID") for unit in units]
        for secret in ("jwt-secret", "keys/hero", "gateway.database-url", "providers.toml"):
            assert installed.run("stat", "-c%a", f"/etc/sonnette/{secret}").strip() == "600"
        installed.run("sh", "-exc", TYPED_BY + typed("Upgrade"))
        assert [installed.show(unit, "ActiveState") for unit in units] == ["active"] * 3
        assert [installed.show(unit, "UnitFileState") for unit in units] == ["enabled"] * 3
        assert not {*first} & {installed.show(unit, "MainPID") for unit in units}
        for port in (8000, 8001):
            wait_until(partial(installed.succeeds, *READY, str(port)), 20)


@needs_nspawn
def test_one_that_stands_still_is_started_anew(booted: Machine, ports: list[int]) -> None:
    unit = f"sonnette-gateway@{ports[0]}.service"
    folder = "/run/systemd/system/sonnette-gateway@.service.d"
    booted.run("mkdir", "-p", folder)
    booted.run("sh", "-c", f"printf '{WATCHDOG}' > {folder}/short.conf")
    booted.run("systemctl", "daemon-reload")
    booted.run("systemctl", "start", unit)
    first = booted.show(unit, "MainPID")
    booted.run("kill", f"-{signal.SIGSTOP.value}", first)
    wait_until(lambda: booted.show(unit, "NRestarts") == "1", 60)
    wait_until(lambda: booted.show(unit, "ActiveState") == "active", 60)
    assert booted.show(unit, "MainPID") != first


def _analyze(words: list[str], environ: dict[str, str]) -> str:
    """Everything that `systemd-analyze` says."""
    said = subprocess.run(
        ["systemd-analyze", *words], env=environ, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return said.stdout.strip() + said.stderr.strip()
