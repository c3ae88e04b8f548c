"""A program that cannot outlive the process that started it.

`bound()` gives the command line that runs a program, as another account if need be, and has the
kernel signal it when its parent is gone, kill -9 included. This file is also that command's first
half, run as a script: hence few imports, all of the standard library. On systems without
PR_SET_PDEATHSIG the program simply runs.

The signal fires when the *thread* that started the program ends: start it from the main thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an import at run time would double the launcher's start
    from collections.abc import Sequence

    from db.account import Account

_PR_SET_PDEATHSIG = 1  # prctl(2), linux/prctl.h


def bound(argv: Sequence[str], death_signal: signal.Signals, account: Account | None) -> list[str]:
    """The command line that runs `argv` as `account` and signals it when this process ends.

    `account` None: as ourselves. `argv[0]` is a path.
    """
    uid, gid = (account.uid, account.gid) if account else (None, None)
    ids = ["-" if each is None else str(each) for each in (uid, gid)]
    head = [sys.executable, "-I", "-S", __file__, str(int(death_signal)), str(os.getpid())]
    return [*head, *ids, *argv]


def _become(uid: str, gid: str) -> None:
    if uid == "-":
        return
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))


def _die_with(parent: int, death_signal: int) -> None:
    if sys.platform != "linux":
        return
    # After setuid, which would clear it.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)


def _launch(death_signal: str, parent: str, uid: str, gid: str, *argv: str) -> None:
    _become(uid, gid)
    _die_with(int(parent), int(death_signal))
    # Python ignores these two, and exec would hand that down.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    try:
        _launch(*sys.argv[1:])
    except OSError as problem:
        sys.exit(f"cannot run {sys.argv[5]}: {problem.strerror}")
