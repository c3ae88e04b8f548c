"""SIGTERM and SIGINT as one awaitable fact, for the process's own tasks to end by."""

import asyncio
import signal

from process import systemd


def stop_on_signals() -> asyncio.Event:
    """An event of the running loop, set at the first SIGTERM or SIGINT.

    Later ones change nothing: under `sonnette run` a Ctrl-C reaches every process twice, once from
    the terminal and once from its parent, and must not cut the drain short.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin, stop)
    return stop


def begin(stop: asyncio.Event) -> None:
    """Set `stop`, and let systemd know."""
    systemd.stopping()
    stop.set()
