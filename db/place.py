"""Where the embedded server of one SONNETTE_HOME keeps its data and its socket.

The home itself, wherever the server's account can reach it. Where it cannot (a root-owned private
folder), a folder of its own elsewhere, and the home keeps the pointer `postgres.json`, by which a
second terminal finds the socket too. No folder's mode is ever loosened: folders that we make are
made with the mode that they keep.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from db.account import Account, EmbeddedFailed

DATABASE = "sonnette"
_POINTER = "postgres.json"
_ELSEWHERE = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - mkdtemp makes it private
_SHORT = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108
_LONGEST_SOCKET_PATH = 107  # sun_path in unix(7), without its closing zero byte
PORT = 5432  # names the socket's file, nothing listens on TCP
_SOCKET = f"/.s.PGSQL.{PORT}"


@dataclass(frozen=True)
class Place:
    """`base` is the server account's own folder, mode 0700; `socket_dir` is as private."""

    base: Path
    socket_dir: Path

    @property
    def data(self) -> Path:
        """The data folder proper."""
        return self.base / "data"

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.base / "postgres.log"

    @property
    def lock(self) -> Path:
        """Locked for as long as any process of the server lives."""
        return self.base / "lock"

    def dsn(self, role: str, dbname: str = DATABASE) -> str:
        """A URL for psycopg, psql and SQLAlchemy alike, whatever a PGPORT around it says."""
        return f"{self.short_dsn(role, dbname)}&port={PORT}"

    def short_dsn(self, role: str, dbname: str = DATABASE) -> str:
        """The same for people: without an `&`, which a shell would take for its own."""
        return f"postgresql://{quote(role)}@/{quote(dbname)}?host={quote(str(self.socket_dir))}"


def make_home(home: Path) -> None:
    """Make `home` where it is missing; what exists keeps its mode."""
    # Root's is passable for the server's account, which can look at nothing there.
    home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)


def find(home: Path) -> Place | None:
    """The place that the last start in `home` wrote down."""
    try:
        kept = json.loads((home / _POINTER).read_text())
        return Place(Path(kept["base"]), Path(kept["socket_dir"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise EmbeddedFailed(f"cannot read {home / _POINTER}: {type(problem).__name__}") from None


def settle(home: Path, account: Account) -> Place:
    """The place of `home`: the one it has, else a new one."""
    try:
        if (kept := find(home)) is not None:
            return _still_there(home, kept)
        base = _new_base(home, account)
        new = Place(base, base / "socket")
        _write_pointer(home, new)
    except OSError as problem:
        raise EmbeddedFailed(f"cannot use {problem.filename or home}: {problem.strerror}") from None
    return new


def open_socket_dir(home: Path, before: Place, account: Account) -> Place:
    """An empty socket folder of mode 0700 at a path that is short enough; the pointer knows it.

    Only for the holder of the lock: whatever lay there before is removed.
    """
    close_socket_dir(before)
    inside = before.base / "socket"
    if _socket_fits(inside):
        inside.mkdir(mode=0o700)
        folder = inside
    else:
        folder = Path(tempfile.mkdtemp(prefix="sonnette-", dir=_short_folder(account)))
    account.own(folder)
    place = Place(before.base, folder)
    _write_pointer(home, place)
    return place


def close_socket_dir(place: Place) -> None:
    """Remove the socket folder; nobody listens in it any more."""
    shutil.rmtree(place.socket_dir, ignore_errors=True)


def _still_there(home: Path, kept: Place) -> Place:
    if kept.base.is_dir():
        return kept
    raise EmbeddedFailed(
        f"{home / _POINTER} says that the data is in {kept.base}, which is gone: "
        "put it back, or remove that file to start with an empty database"
    )


def _new_base(home: Path, account: Account) -> Path:
    make_home(home)
    if account.can_enter(home):
        base = home / "postgres"
        base.mkdir(mode=0o700, exist_ok=True)
        account.own(base)
        return base
    for parent in _ELSEWHERE:
        if account.can_enter(parent) and os.access(parent, os.W_OK):
            base = Path(tempfile.mkdtemp(prefix="sonnette-", dir=parent))  # mode 0700
            account.own(base)
            return base
    raise EmbeddedFailed(
        f"the account {account.name!r} cannot reach {home}, nor is there another place for its "
        "data: set SONNETTE_HOME to a folder that it can reach"
    )


def _socket_fits(folder: Path) -> bool:
    path = f"{folder}{_SOCKET}"
    # The server reads the folder from a list setting, where these two would end or quote an entry.
    return len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH and not set(path) & {",", '"'}


def _short_folder(account: Account) -> Path:
    for folder in (Path(tempfile.gettempdir()), *_SHORT):
        if _socket_fits(folder / "sonnette-12345678") and account.can_enter(folder):
            return folder
    raise EmbeddedFailed(
        "no folder for the server's socket has a short enough path that the account "
        f"{account.name!r} can enter: set SONNETTE_HOME to a shorter path"
    )


def _write_pointer(home: Path, place: Place) -> None:
    fresh = home / f"{_POINTER}.new"
    fresh.write_text(json.dumps({"base": str(place.base), "socket_dir": str(place.socket_dir)}))
    fresh.replace(home / _POINTER)
