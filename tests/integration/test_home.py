"""SONNETTE_HOME: a secret made once, one `run` at a time, and what a second terminal reads."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonnette.home import AlreadyRunning, Home, HomeUnusable


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home that this process has locked."""
    made = Home(tmp_path / "home")
    lock = made.lock()
    yield made
    os.close(lock)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secret_is_made_once_and_is_long_and_private(home: Home) -> None:
    assert home.secret() is None
    home.make_secret()
    first = home.secret()
    home.make_secret()
    assert first is not None
    assert len(first) >= 32
    assert home.secret() == first
    assert mode(home.secret_file) == 0o600


def test_two_homes_have_two_secrets(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path)
    home.make_secret()
    other.make_secret()
    assert home.secret() != other.secret()


def test_a_half_written_secret_is_never_taken_for_one(home: Home) -> None:
    home.secret_file.with_name("jwt-secret.new").write_text("hal")  # killed before the rename
    assert home.secret() is None
    home.make_secret()
    assert home.secret() != "hal"


def test_a_second_run_is_told_who_the_first_one_is(home: Home) -> None:
    with pytest.raises(AlreadyRunning, match=rf"^already running \(pid {os.getpid()}\)$"):
        Home(home.path).lock()


def test_the_database_of_the_last_run_is_remembered_privately(home: Home) -> None:
    home.remember("postgresql://u:p@h/d")
    assert Home(home.path).remembered() == "postgresql://u:p@h/d"
    assert mode(home.path / "run.json") == 0o600
    home.remember(None)
    assert Home(home.path).remembered() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"database_url": 1}', "null"])
def test_a_run_file_that_is_none_is_no_crash(home: Home, text: str) -> None:
    (home.path / "run.json").write_text(text)
    if text == "{":
        with pytest.raises(HomeUnusable, match="it is not JSON"):
            home.remembered()
    else:
        assert home.remembered() is None


def test_what_exists_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o750)
    os.close(Home(folder).lock())
    assert mode(folder) == 0o750
