"""What is said to systemd, over a real socket, and the socket that it passes."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from process import systemd
from process.ports import listening_socket
from process.settings import Address, SettingsError

NOWHERE = Address("127.0.0.1", 1)


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Systemd's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(tmp_path / "notify"))
        ours.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield ours


def test_ready_alive_and_stopping_are_one_datagram_each(heard: socket.socket) -> None:
    systemd.ready()
    systemd.alive([])
    systemd.alive(["not listening", "no\nprice list"])
    systemd.stopping()
    assert [heard.recv(4096).decode() for _ in range(4)] == [
        "READY=1",
        "WATCHDOG=1\nSTATUS=well",
        "WATCHDOG=1\nSTATUS=not listening; no price list",
        "STOPPING=1\nSTATUS=stopping",
    ]


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    systemd.ready()


def test_several_passed_sockets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")
    with pytest.raises(SettingsError, match="give the socket unit one ListenStream"):
        listening_socket(NOWHERE, setting="SONNETTE_GATEWAY_LISTEN")


def test_sockets_that_another_process_was_passed_are_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert systemd.passed_socket() is None
