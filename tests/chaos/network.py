"""A network of its own, to lose packets on: the kernel's TCP, its timers and its keep-alives.

A proxy takes what is sent to it and the sender's kernel is content. Here a line carries nothing at
all, in neither direction, and says nothing of it. A `Network` is a namespace without a name that a
thread lives in: it ends with the thread, and whatever becomes of this process nothing is left.
Needs root and iproute2.
"""

import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import pytest

T = TypeVar("T")

CLONE_NEWNET = 0x4000_0000  # unshare(2); os.unshare came with Python 3.12
NOBODY = "02:00:00:00:00:01"  # a hardware address that neither end of a line has
FIRST = (198 << 24) + (18 << 16)  # 198.18.0.0/15 is for tests of networks, RFC 2544
PAIRS = 1 << 15

_numbers = itertools.count()


@dataclass(frozen=True)
class Line:
    """Two interfaces and the cable between them. `here` and `there` are the addresses."""

    network: "Network"
    device: str
    here: str
    there: str

    def lose(self) -> None:
        """Every packet from now on, both ways, without a word."""
        ip("neigh", "replace", self.there, "lladdr", NOBODY, "nud", "permanent", "dev", self.device)
        self.network.inside(
            lambda: ip(
                "neigh", "replace", self.here, "lladdr", NOBODY, "nud", "permanent",
                "dev", self.device,
            )
        )  # fmt: skip

    def heal(self) -> None:
        """Carry again what comes, and what the kernels send once more."""
        ip("neigh", "del", self.there, "dev", self.device)
        self.network.inside(lambda: ip("neigh", "del", self.here, "dev", self.device))


class Network:
    """The far side. `inside` runs something there: a program, or the opening of a socket."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    def inside(self, work: Callable[[], T]) -> T:
        """What `work` returns. A socket stays in the network that it was made in."""
        return self._thread.submit(work).result()

    @contextmanager
    def line(self) -> Iterator[Line]:
        """One more line between there and here, for the length of a block."""
        number = (os.getpid() * 16 + next(_numbers)) % PAIRS
        here, there = (_dotted(FIRST + number * 4 + end) for end in (1, 2))
        line = Line(self, f"sonnette{number}", here, there)
        far = ("type", "veth", "peer", "name", line.device, "netns", self.inside(_namespace))
        ip("link", "add", line.device, *far)
        try:
            _up(line.device, line.here)
            self.inside(lambda: _up(line.device, line.there))
            yield line
        finally:
            ip("link", "del", line.device)


@contextmanager
def network() -> Iterator[Network]:
    """A far side for the length of a block."""
    with ThreadPoolExecutor(1, thread_name_prefix="another network") as thread:
        thread.submit(_unshare).result()
        one = Network(thread)
        one.inside(lambda: ip("link", "set", "lo", "up"))
        yield one


def ip(*words: str) -> None:
    """The program of iproute2."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def _up(device: str, address: str) -> None:
    ip("addr", "add", f"{address}/30", "dev", device)
    ip("link", "set", device, "up")


def _unshare() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET) failed")


def _namespace() -> str:
    return f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"


def _dotted(address: int) -> str:
    return socket.inet_ntoa(address.to_bytes(4))


@cache
def available() -> bool:
    """Whether this machine lets us have one: found by having it."""
    if shutil.which("ip") is None:
        return False
    try:
        with network() as one, one.line():
            return True
    except (OSError, AssertionError):
        return False


needs_network = pytest.mark.skipif(
    not available(), reason="needs root, network namespaces and ip (Debian: iproute2)"
)
