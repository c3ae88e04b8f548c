"""A listening TCP socket, or one sentence for the administrator.

Bound here and not by the servers, because uvicorn answers a taken port by ending the process.
"""

import errno
import os
import socket

from process import systemd
from process.settings import Address, SettingsError

BACKLOG = 4096  # a server that restarts meets all of its clients at once


class PortInUse(SettingsError):
    """Another program listens there; the sentence names the setting that moves ours."""


def listening_socket(
    address: Address, *, setting: str, backlog: int = BACKLOG, reuse_port: bool = False
) -> socket.socket:
    """A non-blocking socket that listens on `address`, which came from the variable `setting`.

    Where systemd has passed us one, it is that, and `address` counts for nothing.
    With `reuse_port` others who ask for that too may listen beside it, and each gets a share.
    Raises PortInUse, or SettingsError where the host is not of this machine or not allowed.
    """
    if (passed := _passed()) is not None:
        return passed
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listener = socket.create_server(
            (address.host, address.port), family=family, backlog=backlog, reuse_port=reuse_port
        )
    except OSError as error:
        raise _refusal(error, address, setting) from None
    listener.setblocking(False)
    return listener


def _passed() -> socket.socket | None:
    try:
        passed = systemd.passed_socket()
    except systemd.TooManySockets:
        raise SettingsError(
            "systemd passes several sockets: give the socket unit one ListenStream"
        ) from None
    if passed is not None:
        passed.setblocking(False)
    return passed


def _refusal(error: OSError, address: Address, setting: str) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"port {address.port} is in use; set {setting}")
    known = isinstance(error, socket.gaierror) or error.errno is None
    why = error.strerror if known else os.strerror(error.errno or 0)
    return SettingsError(f"cannot listen on {address}: {why}; set {setting}")
