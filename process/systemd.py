"""What a process says to systemd and is given by it: ready, alive, stopping; a listening socket.

Without systemd ($NOTIFY_SOCKET, $LISTEN_FDS) everything here does nothing, so a process needs not
know how it was started. Nothing waits: a word that systemd does not take is not said.
"""

import contextlib
import os
import socket

FIRST_FD = 3  # where passed sockets begin


class TooManySockets(Exception):
    """The socket unit has more than one address."""


def ready() -> None:
    """Connections are accepted; systemd starts what comes after."""
    tell("READY=1")


def stopping() -> None:
    """The end was asked for, and what is open is being closed."""
    tell("STOPPING=1\nSTATUS=stopping")


def alive(problems: list[str]) -> None:
    """The loop still turns; `systemctl status` shows the problems."""
    tell(f"WATCHDOG=1\nSTATUS={'; '.join(problems).replace(chr(10), ' ') or 'well'}")


def tell(words: str) -> None:
    """sd_notify(3): one datagram to the socket that systemd named."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # Linux' abstract names
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to_systemd,
    ):
        to_systemd.sendto(words.encode(), address)


def passed_socket() -> socket.socket | None:
    """sd_listen_fds(3): the socket of our socket unit, which listens already; None without one.

    It stays open in systemd while we are away, so that a restart refuses nobody.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    if os.environ.get("LISTEN_FDS") != "1":
        raise TooManySockets
    return socket.socket(fileno=os.dup(FIRST_FD))
