"""How `sonnette run` ends: asked, interrupted or killed, it leaves nothing; its data stays."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from db.embedded import Server
from tests.facts import wait_until
from tests.fixtures.postgres import SUPERUSER
from tests.fixtures.running import Running, clean_environ, descendants, gone, listens, sonnette

ALICE = "a11ce000-0000-4000-8000-000000000001"


def nothing_left(running: Running, processes: dict[int, str]) -> bool:
    return all(map(gone, processes)) and not any(map(listens, running.ports.values()))


def available(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select balance - frozen from wallets where user_id = %s", [ALICE]
        ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_and_the_next_start_finds_the_data(
    home: Path, pg_bindir: Path, how: signal.Signals
) -> None:
    with Running(home, pg_bindir) as first:
        processes = descendants(first.ready().process.pid)
        assert len(processes) > len(first.ports)
        assert first.verb("credit", "alice", "1.00").returncode == 0
        socket_dir = Path(first.fact("database").partition("host=")[2].partition("&")[0])
        assert socket_dir.is_dir()
        secret = (home / "jwt-secret").read_bytes()
        assert first.stop(how) == 0
        assert nothing_left(first, processes)
        assert not socket_dir.exists()
    with Running(home, pg_bindir) as second:
        assert available(second.ready().fact("database")) == "11.00"  # welcomed once
        assert (home / "jwt-secret").read_bytes() == secret


def test_kill_9_leaves_nothing_and_the_next_start_heals(home: Path, pg_bindir: Path) -> None:
    with Running(home, pg_bindir) as first:
        processes = descendants(first.ready().process.pid)
        first.stop(signal.SIGKILL)
        wait_until(lambda: nothing_left(first, processes))
    with Running(home, pg_bindir, list(first.ports.values())) as second:
        assert available(second.ready().fact("database")) == "10.00"


def test_a_process_that_does_not_listen_to_a_stop_is_killed(home: Path, pg_bindir: Path) -> None:
    with Running(home, pg_bindir) as running:
        processes = descendants(running.ready().process.pid)
        frozen = running.pid_of("gateway")
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        assert running.stop() == 0
        assert nothing_left(running, processes)


def test_a_stop_before_it_is_ready_leaves_nothing(home: Path, pg_bindir: Path) -> None:
    with Running(home, pg_bindir) as running:
        wait_until(lambda: running.postmaster() is not None)
        processes = descendants(running.process.pid)
        assert running.stop() == 0
        assert nothing_left(running, processes)
        assert running.out == ""


def test_a_process_that_cannot_start_ends_the_run_with_its_sentence(
    home: Path, pg_bindir: Path
) -> None:
    accounts = home.parent / "accounts.toml"
    accounts.write_text("[[account]\n")
    with Running(home, pg_bindir, SONNETTE_PROVIDERS=str(accounts)) as running:
        assert running.process.wait(60) == 1
        assert str(accounts) in running.err
        assert "poller ended with exit code 1 before it was ready" in running.err
        assert running.out == ""
        assert running.postmaster() is None


def test_a_database_of_the_administrators_is_used_and_left_running(
    home: Path, pg_bindir: Path, server: Server
) -> None:
    with psycopg.connect(server.dsn(dbname="postgres"), autocommit=True) as superuser:
        superuser.execute("create database theirs")
        try:
            with Running(home, pg_bindir, DATABASE_URL=server.dsn(dbname="theirs")) as running:
                assert "/theirs" in running.ready().fact("database")
                assert running.postmaster() is None
                assert not (home / "postgres").exists()
                environ = clean_environ() | {"SONNETTE_HOME": str(home)}
                said = sonnette("psql", "-Atc", "select current_user", environ=environ)
                assert said.stdout == "sonnette_operator\n"
                assert available(server.dsn(SUPERUSER, "theirs")) == "10.00"
            assert superuser.execute("select 1").fetchone() == (1,)
        finally:
            superuser.execute("drop database theirs with (force)")
