"""One data folder: made, recognised, healed, and asked whether its server is ready.

A folder is made beside its final name and renamed once complete, so that a half-made one is never
taken for data. Whoever calls here holds the folder's lock.
"""

import shutil
import signal
import subprocess
from pathlib import Path

from db.account import SERVER_ENVIRON, Account, EmbeddedFailed
from db.binaries import Binaries
from db.bound import bound
from db.place import DATABASE

SUPERUSER = "postgres"
_INITDB_TIMEOUT_S = 120
_BUILTIN_LOCALE_SINCE = 17
_STATUS_LINE = 7  # of postmaster.pid: what pg_ctl waits for, too


def prepare(data: Path, programs: Binaries, account: Account, *, fsync: bool) -> None:
    """Make `data` a folder that `programs` can serve, or say why it cannot be."""
    if (data / "PG_VERSION").exists():
        _check_version(data, programs)
    else:
        _make(data, programs, account, fsync=fsync)


def heal(data: Path) -> None:
    """Remove a crashed server's postmaster.pid, whose process id may be someone else's by now."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(_pid_line(pid_file, 0) or 0)
    if pid > 0 and _serves(pid, data):
        raise EmbeddedFailed(f"process {pid}, which is not ours, already serves {data}: stop it")
    pid_file.unlink()


def ready(data: Path, pid: int) -> bool:
    """Whether the server with this process id says that it accepts connections."""
    pid_file = data / "postmaster.pid"
    return _pid_line(pid_file, 0) == str(pid) and _pid_line(pid_file, _STATUS_LINE) == "ready"


def _check_version(data: Path, programs: Binaries) -> None:
    kept = (data / "PG_VERSION").read_text().strip()
    if kept != str(programs.major):
        raise EmbeddedFailed(
            f"the data in {data} is of PostgreSQL {kept}, the programs in {programs.bindir} are "
            f"of {programs.major}: set SONNETTE_PG_BINDIR to programs of {kept}, or dump and "
            "restore into another SONNETTE_HOME"
        )


def _make(data: Path, programs: Binaries, account: Account, *, fsync: bool) -> None:
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    initdb, postgres = str(programs.bindir / "initdb"), str(programs.bindir / "postgres")
    _run(account, [initdb, "-D", str(fresh), *_initdb_options(programs, fsync)])
    single = [postgres, "--single", "-j", "-D", str(fresh), "postgres"]
    _run(account, single, f'create database "{DATABASE}"')
    fresh.rename(data)


def _initdb_options(programs: Binaries, fsync: bool) -> list[str]:
    options = ["--username", SUPERUSER, "--encoding=UTF8", "--data-checksums"]
    options += ["--auth-local=trust", "--auth-host=reject", "--no-instructions"]
    if not fsync:
        options.append("--no-sync")
    if programs.major < _BUILTIN_LOCALE_SINCE:
        return [*options, "--locale=C.UTF-8"]
    return [*options, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _run(account: Account, argv: list[str], typed: str = "") -> None:
    try:
        done = subprocess.run(  # noqa: S603
            bound(argv, signal.SIGKILL, account),
            env=SERVER_ENVIRON,
            cwd="/",
            input=typed,
            capture_output=True,
            text=True,
            timeout=_INITDB_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EmbeddedFailed(f"{argv[0]} did not end within {_INITDB_TIMEOUT_S} s") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-3:] or ["it said nothing"]
        raise EmbeddedFailed(f"{argv[0]} failed as {account.name!r}: {' '.join(last)}")


def _pid_line(pid_file: Path, number: int) -> str | None:
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return None
    return lines[number].strip() if len(lines) > number else None


def _serves(pid: int, data: Path) -> bool:
    try:  # a postmaster works in its data folder
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    except OSError:
        return False
