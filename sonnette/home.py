"""SONNETTE_HOME: what `run` keeps between starts, and where a second terminal finds it.

The secret that signs tokens is made once. `run.json` says which database the last `run` used, with
its password where it has one. Both are for their owner's eyes (mode 0600).
"""

import json
import os
import secrets
from pathlib import Path

from db import pidlock, place
from db.errors import SonnetteError

_SECRET_BYTES = 48
_GIVE_UP_S = 1.0


class HomeUnusable(SonnetteError):
    """SONNETTE_HOME cannot be used, or has not what is asked of it."""


class AlreadyRunning(SonnetteError):
    """Another `run` has this home."""


class Home:
    """The folder at `path`, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secret_file = path / "jwt-secret"
        self._run_file = path / "run.json"

    def lock(self) -> int:
        """Make this the home's only `run`, until this process ends."""
        try:
            place.make_home(self.path)
            return pidlock.take(self.path / "run.lock", wait_s=_GIVE_UP_S)
        except pidlock.Held as held:
            raise AlreadyRunning(f"already running (pid {held.pid})") from None
        except OSError as problem:
            raise _unusable(self.path, problem) from None

    def make_secret(self) -> None:
        """Make the secret where there is none; only for the holder of the lock."""
        try:
            if not self.secret_file.exists():
                _write_private(self.secret_file, secrets.token_urlsafe(_SECRET_BYTES))
        except OSError as problem:
            raise _unusable(self.secret_file, problem) from None

    def secret(self) -> str | None:
        """The secret, if `run` has made one."""
        return _read(self.secret_file)

    def remember(self, database_url: str | None) -> None:
        """Write down which database `run` uses; None means the embedded one of this home."""
        try:
            _write_private(self._run_file, json.dumps({"database_url": database_url}))
        except OSError as problem:
            raise _unusable(self._run_file, problem) from None

    def remembered(self) -> str | None:
        """The DATABASE_URL that the last `run` was given, if it was given one."""
        try:
            kept = json.loads(_read(self._run_file) or "{}")
        except ValueError:
            raise HomeUnusable(f"cannot read {self._run_file}: it is not JSON") from None
        url = kept.get("database_url") if isinstance(kept, dict) else None
        return url if isinstance(url, str) else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise _unusable(path, problem) from None


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others in between."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _unusable(path: Path, problem: OSError) -> HomeUnusable:
    why = os.strerror(problem.errno or 0)
    return HomeUnusable(f"cannot use {path}: {why}; set SONNETTE_HOME to another folder")
