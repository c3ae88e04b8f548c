"""A private PostgreSQL of our own, for `sonnette run`, the tests and the benchmark.

Reachable through a Unix socket in a private folder alone: whoever may open that folder is trusted
with every role. The server runs as another account where we are root, and ends with the process
that started it, however that ends. A second start finds the data of the first; what a crash left
behind is healed; two servers never share a folder. Call it from the main thread.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from db import binaries, datadir, pidlock, place
from db.account import SERVER_ENVIRON, Account, EmbeddedFailed, server_account
from db.binaries import Binaries
from db.bound import bound
from db.place import DATABASE, PORT, Place

__all__ = ["EmbeddedFailed", "Server", "start"]

_START_TIMEOUT_S = 120  # recovery after a crash reads WAL before it says ready
_PREDECESSOR_TIMEOUT_S = 20  # its parent was killed, it is still checkpointing
_POLL_S = 0.02
_MAX_LOG_BYTES = 4_000_000
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    # A failing statement's text and row may carry an SMS code.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
}
_FSYNC_OFF: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
_NONE: Mapping[str, str] = {}


def start(
    home: Path, *, bindir: Path, fsync: bool = True, settings: Mapping[str, str] = _NONE
) -> "Server":
    """Start the server whose data belongs to `home`, making it where there is none yet.

    `bindir` as `binaries.find_bindir` gives it; `settings` are server parameters over our own.
    Without `fsync` the data does not survive a crash of the machine. Returns once the server
    accepts connections. Raises EmbeddedFailed.
    """
    home = home.absolute()
    account = server_account()
    programs = binaries.usable_by(account, bindir)
    found = place.settle(home, account)
    lock = _lock(found)
    try:
        datadir.prepare(found.data, programs, account, fsync=fsync)
        where = place.open_socket_dir(home, found, account)
    except BaseException:
        os.close(lock)
        raise
    ours = {**_SETTINGS, **({} if fsync else _FSYNC_OFF), **settings}
    server = Server(where, programs, account, lock, ours)
    try:
        server.launch()
    except BaseException:
        server.stop()
        raise
    return server


class Server:
    """A server that runs; ended by `stop()`, and at the latest with this process."""

    def __init__(
        self,
        where: Place,
        programs: Binaries,
        account: Account,
        lock: int,
        settings: Mapping[str, str],
    ) -> None:
        self.place = where
        self.bindir = programs.bindir
        self.major = programs.major
        self._account = account
        self._lock = lock
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._running().pid

    @property
    def socket_dir(self) -> Path:
        """The private folder with the Unix socket."""
        return self.place.socket_dir

    def dsn(self, role: str = datadir.SUPERUSER, dbname: str = DATABASE) -> str:
        """How `role` connects, from any process of the operating-system user who started this."""
        return self.place.dsn(role, dbname)

    def exit_code(self) -> int | None:
        """None while the server lives; else how it ended."""
        return self._running().poll()

    def launch(self) -> None:
        """Start the server process, again if it has died; returns once it accepts connections."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start Postgres from the main thread: it dies with its thread")
        datadir.heal(self.place.data)
        with _open_log(self.place) as log:
            self._process = subprocess.Popen(  # noqa: S603
                bound(self._argv(), signal.SIGINT, self._account),
                env=SERVER_ENVIRON,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for our parent alone
                pass_fds=[self._lock],  # held until the last backend is gone
            )
        self._await_ready()

    def stop(self, timeout_s: float = 30) -> None:
        """End all sessions and the server, and remove the socket; the data stays."""
        if self._process is not None:
            _end(self._process, timeout_s)
        place.close_socket_dir(self.place)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _argv(self) -> list[str]:
        settings = {**self._settings, "unix_socket_directories": str(self.socket_dir)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.bindir / "postgres"), "-D", str(self.place.data), *options]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server has not been launched")
        return self._process

    def _await_ready(self) -> None:
        process = self._running()

        def settled() -> bool:
            return process.poll() is not None or datadir.ready(self.place.data, process.pid)

        if not _within(_START_TIMEOUT_S, settled):
            raise EmbeddedFailed(f"PostgreSQL was not ready within {_START_TIMEOUT_S} s")
        if process.poll() is not None:
            raise EmbeddedFailed(f"PostgreSQL did not start: {_last_words(self.place.log)}")


def _lock(where: Place) -> int:
    """The folder's lock; every process of its server inherits it."""
    try:
        return pidlock.take(where.lock, wait_s=_PREDECESSOR_TIMEOUT_S)
    except pidlock.Held as held:
        sentence = f"the database in {where.base} is in use by process {held.pid}"
        raise EmbeddedFailed(sentence) from None
    except OSError as problem:
        raise EmbeddedFailed(f"cannot use {where.lock}: {problem.strerror}") from None


def _within(timeout_s: float, fact: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + timeout_s
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _end(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    for wish in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, no choice
        process.send_signal(wish)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
            return


def _open_log(where: Place) -> BinaryIO:
    with contextlib.suppress(FileNotFoundError):
        if where.log.stat().st_size > _MAX_LOG_BYTES:
            where.log.replace(where.log.with_suffix(".log.1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return os.fdopen(os.open(where.log, flags, 0o600), "ab")


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-1:]
    return f"{' '.join(lines) or 'it said nothing'} (all of it in {log})"
