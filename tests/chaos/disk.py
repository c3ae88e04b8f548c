"""A small disk of a test's own, to be filled to its last byte: a tmpfs, mounted for a block.

A folder that a server has made can be moved there, its server being down. The disk is unmounted
whatever happens, even while somebody still has files on it.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from db.account import server_account
from tests.fixtures.postgres import reachable_folder

CHUNK_BYTES = 65_536
MIB = 2**20


@dataclass(frozen=True)
class Disk:
    """`folder` is where it is mounted."""

    folder: Path

    def take(self, path: Path) -> None:
        """Move a folder here, and leave a link to it where it was."""
        subprocess.run(["cp", "-a", path, self.folder / path.name], check=True)
        shutil.rmtree(path)
        path.symlink_to(self.folder / path.name)

    def fill(self) -> None:
        """Leave no byte of it, but what is set free elsewhere on it later."""
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while file.write(bytes(CHUNK_BYTES)):
                pass

    def free(self) -> None:
        """Give back what filled it."""
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"


@contextmanager
def small_disk(size_mib: int) -> Iterator[Disk]:
    """A disk of that size for the length of a block; the server's account may write to it."""
    folder = reachable_folder()
    try:
        _mount(folder, size_mib)
        try:
            server_account().own(folder)
            yield Disk(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        folder.rmdir()


def _mount(folder: Path, size_mib: int) -> None:
    options = f"size={size_mib}m,mode=711"
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True
    )


@cache
def _may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    try:
        with small_disk(1):
            return True
    except subprocess.CalledProcessError:
        return False


needs_mount = pytest.mark.skipif(not _may_mount(), reason="needs root that may mount a tmpfs")
