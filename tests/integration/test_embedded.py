"""The embedded server: starts, keeps, heals, refuses, and is never left behind."""

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db import binaries, embedded, place
from db.account import server_account
from db.embedded import EmbeddedFailed, Server
from tests.facts import wait_until
from tests.fixtures.parents import Parent
from tests.fixtures.postgres import reachable_folder
from tests.fixtures.running import gone


@pytest.fixture
def home() -> Iterator[Path]:
    """A SONNETTE_HOME that does not exist yet, in a folder that any account can pass."""
    folder = reachable_folder()
    yield folder / "home"
    shutil.rmtree(folder)


def start(home: Path, pg_bindir: Path) -> Server:
    return embedded.start(home, bindir=pg_bindir, fsync=False)


def ask(server: Server, statement: str) -> object:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        answer = connection.execute(statement.encode())
        row = answer.fetchone() if answer.description else None
    return row[0] if row else None


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_start_finds_the_data_of_the_first(home: Path, pg_bindir: Path) -> None:
    with start(home, pg_bindir) as first:
        ask(first, "create table kept as select 41 as n")
    with start(home, pg_bindir) as second:
        assert ask(second, "select n from kept") == 41
        assert second.pid != first.pid


def test_the_server_is_private_and_speaks_utf_8_and_utc(home: Path, pg_bindir: Path) -> None:
    with start(home, pg_bindir) as server:
        assert ask(server, "show listen_addresses") == ""
        assert ask(server, "show server_encoding") == "UTF8"
        assert ask(server, "show timezone") == "UTC"
        assert ask(server, "show data_checksums") == "on"
        assert ask(server, "select upper('é')") == "É"
        assert ask(server, "select 'B' < 'a'") is True  # by code point, on every machine alike
        assert mode(server.socket_dir) == 0o700
        assert mode(server.place.base) == 0o700


def test_stop_leaves_no_process_and_no_socket(home: Path, pg_bindir: Path) -> None:
    with start(home, pg_bindir) as server:
        pid = server.pid
    assert gone(pid)
    assert not server.socket_dir.exists()


def test_stop_ends_sessions_that_are_in_a_transaction(home: Path, pg_bindir: Path) -> None:
    server = start(home, pg_bindir)
    with psycopg.connect(server.dsn()) as idle:
        idle.execute("select 1")
        server.stop()
        assert gone(server.pid)
        with pytest.raises(psycopg.OperationalError):
            idle.execute("select 1")


def test_kill_9_of_the_parent_leaves_no_server(home: Path, pg_bindir: Path) -> None:
    with Parent(home, pg_bindir) as parent:
        parent.process.kill()
        wait_until(lambda: gone(parent.server_pid))


def test_a_start_right_after_kill_9_waits_for_the_old_server(home: Path, pg_bindir: Path) -> None:
    with Parent(home, pg_bindir) as parent:
        parent.process.kill()
        parent.process.wait()
        with start(home, pg_bindir) as server:
            assert ask(server, "select count(*) from kept") == 1


def test_two_servers_on_one_folder_are_refused(home: Path, pg_bindir: Path) -> None:
    with start(home, pg_bindir) as server:
        with pytest.raises(EmbeddedFailed, match=rf"in use by process {os.getpid()}$"):
            start(home, pg_bindir)
        assert ask(server, "select 1") == 1


def test_a_second_process_is_told_which_one_has_the_folder(home: Path, pg_bindir: Path) -> None:
    with (
        Parent(home, pg_bindir) as parent,
        pytest.raises(EmbeddedFailed, match=f"in use by process {parent.process.pid}"),
    ):
        start(home, pg_bindir)


def test_a_pid_file_whose_number_is_someone_elses_by_now_is_healed(
    home: Path, pg_bindir: Path
) -> None:
    with start(home, pg_bindir) as server:
        data = server.place.data
    (data / "postmaster.pid").write_text(f"{os.getppid()}\n{data}\n")
    with start(home, pg_bindir) as again:
        assert ask(again, "select 1") == 1


def test_a_half_made_folder_is_made_anew(home: Path, pg_bindir: Path) -> None:
    with start(home, pg_bindir) as server:
        data = server.place.data
    data.rename(data.with_name("data.new"))  # as if initdb had been killed before the rename
    with start(home, pg_bindir) as again:
        assert ask(again, "select 1") == 1
    assert not data.with_name("data.new").exists()


def test_data_of_another_major_version_is_refused_and_untouched(
    home: Path, pg_bindir: Path
) -> None:
    with start(home, pg_bindir) as server:
        version = server.place.data / "PG_VERSION"
    kept = version.read_text()
    version.write_text("12\n")
    with pytest.raises(EmbeddedFailed, match=r"is of PostgreSQL 12, the programs in .* are of"):
        start(home, pg_bindir)
    version.write_text(kept)
    with start(home, pg_bindir) as again:
        assert ask(again, "select 1") == 1


def test_a_server_that_died_can_be_launched_again(home: Path, pg_bindir: Path) -> None:
    with start(home, pg_bindir) as server:
        ask(server, "create table kept as select 41 as n")
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: server.exit_code() is not None)

        def launched() -> bool:  # its backends may need a moment to notice
            try:
                server.launch()
            except EmbeddedFailed:
                return False
            return True

        wait_until(launched)
        assert ask(server, "select n from kept") == 41


def test_a_home_with_a_long_path_gets_its_socket_in_a_short_one(
    home: Path, pg_bindir: Path
) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir(parents=True)
    with start(deep, pg_bindir) as server:
        assert ask(server, "select 1") == 1
        assert mode(server.socket_dir) == 0o700
        kept = place.find(deep)
        assert kept is not None
        assert kept.dsn("postgres") == server.dsn()
    assert not server.socket_dir.exists()


def test_nothing_of_the_environment_reaches_the_server(
    home: Path, pg_bindir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("SONNETTE_JWT_SECRET", "not for the server's account")
    with start(home, pg_bindir) as server:
        assert ask(server, "select 1") == 1
        environ = Path(f"/proc/{server.pid}/environ").read_bytes()
    assert b"PGDATA" not in environ
    assert b"SONNETTE" not in environ


def test_a_failing_statement_does_not_put_its_text_into_the_log(
    home: Path, pg_bindir: Path
) -> None:
    with start(home, pg_bindir) as server:
        ask(server, "create table t (code text check (code is null))")
        with pytest.raises(psycopg.errors.CheckViolation):
            ask(server, "insert into t values ('358042')")
    log = server.place.log.read_text()
    assert "violates check constraint" in log
    assert "358042" not in log


def test_a_pointer_to_data_that_is_gone_is_not_answered_with_an_empty_database(
    home: Path, pg_bindir: Path
) -> None:
    with start(home, pg_bindir) as server:
        base = server.place.base
    base.rename(base.with_name("moved"))
    with pytest.raises(EmbeddedFailed, match="which is gone: put it back"):
        start(home, pg_bindir)


def test_a_setting_without_programs_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedFailed, match=r"SONNETTE_PG_BINDIR: .* does not hold postgres"):
        binaries.find_bindir(tmp_path)


def test_without_a_setting_the_bundled_programs_are_found() -> None:
    assert binaries.find_bindir(None) == binaries.wheel_bindir()


def test_settings_of_the_caller_win(home: Path, pg_bindir: Path) -> None:
    with embedded.start(
        home, bindir=pg_bindir, fsync=False, settings={"max_connections": "17"}
    ) as server:
        assert ask(server, "show max_connections") == "17"


def test_a_setting_that_the_server_refuses_is_a_sentence(home: Path, pg_bindir: Path) -> None:
    with pytest.raises(EmbeddedFailed, match=r"PostgreSQL did not start: .*max_connections"):
        embedded.start(home, bindir=pg_bindir, settings={"max_connections": "many"})
    with start(home, pg_bindir) as server:  # and the folder is free again
        assert ask(server, "select 1") == 1


def test_the_command_line_tool_finds_the_server_too(home: Path, pg_bindir: Path) -> None:
    with start(home, pg_bindir) as server:
        said = subprocess.run(
            [server.bindir / "psql", server.dsn(), "-Atc", "select 40 + 2"],
            env={"PGPORT": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
    assert said.stdout == "42\n"


def test_the_account_is_never_root() -> None:
    account = server_account()
    assert account.uid != 0
    assert account.other == (os.geteuid() == 0)
