"""A file that one process at a time holds, and that says which.

The lock is the kernel's (flock), so it ends with its holder however that ends, and no stale file
ever stands in the way. A child that inherits the descriptor holds the lock too: it is free only
when the last of them is gone.
"""

import fcntl
import os
import time
from pathlib import Path

_POLL_S = 0.02
_LONGEST_PID = 20


class Held(Exception):
    """Another process has it; `pid` is the one that took it."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


def take(path: Path, *, wait_s: float) -> int:
    """Hold `path`, made if need be; close the descriptor that this returns to let go.

    A holder that lives is Held at once; the descendants of one that has died get `wait_s` to go.
    """
    # Others may own the folder: a link laid there must not be followed.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _take(fd, time.monotonic() + wait_s)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _take(fd: int, deadline: float) -> None:
    while not _locked(fd):
        pid = _holder(fd)
        if _alive(pid) or time.monotonic() > deadline:
            raise Held(pid)
        time.sleep(_POLL_S)
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(fd: int) -> int:
    """Zero where it has taken the lock and not yet written who it is."""
    written = os.pread(fd, _LONGEST_PID, 0)
    return int(written) if written.isdigit() else 0


def _alive(pid: int) -> bool:
    if pid == 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
