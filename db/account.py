"""The operating-system account that the embedded server runs as.

PostgreSQL refuses to run as root, so root lends it another account; everybody else runs it as
themselves. What that account may reach is found out by trying as that account, never by reading
mode bits.
"""

import os
import pwd
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from db.errors import SonnetteError

# Nothing of ours: PG* would redirect the server, and secrets have no business in its environment.
SERVER_ENVIRON: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_FOR_ROOT = ("postgres", "nobody")
_TRY_TIMEOUT_S = 20


class EmbeddedFailed(SonnetteError):
    """The embedded server cannot be had; the message tells the administrator why."""


@dataclass(frozen=True)
class Account:
    """Who a program runs as; `uid` and `gid` are None where it runs as we do."""

    name: str
    uid: int | None = None
    gid: int | None = None

    @property
    def other(self) -> bool:
        """Whether this is another account than the one we run under."""
        return self.uid is not None

    def run(self, argv: list[str | Path]) -> subprocess.CompletedProcess[str]:
        """Run a short program as this account and collect what it prints."""
        return subprocess.run(  # noqa: S603
            argv,
            user=self.uid,
            group=self.gid,
            extra_groups=[] if self.other else None,
            cwd="/",
            env=SERVER_ENVIRON,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TRY_TIMEOUT_S,
            check=False,
        )

    def can_enter(self, folder: Path) -> bool:
        """Whether this account can reach what lies in `folder` by its path."""
        tried = self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder])
        return tried.returncode == 0

    def own(self, path: Path) -> None:
        """Give `path`, which we made, to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    """The account for the server: ours, or where we are root `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return _ourselves()
    for name in _FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedFailed(
        "PostgreSQL does not run as root, and this system has neither an account 'postgres' nor "
        "'nobody': start Sonnette as another user, or set DATABASE_URL"
    )


def _ourselves() -> Account:
    try:
        return Account(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:  # initdb looks itself up and gives up
        raise EmbeddedFailed(
            f"user id {os.geteuid()} has no entry in the passwd database, which PostgreSQL's "
            "initdb needs: add one, or set DATABASE_URL"
        ) from None
