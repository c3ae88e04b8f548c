"""The machine and the versions, without which a figure says nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("sonnette", "websockets", "uvloop", "psycopg", "msgspec")


def describe(postgres: str, durability: str) -> list[str]:
    """A few lines: processor, memory, system, Python, PostgreSQL and packages."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return [
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {_memory_gib():.0f} GiB; "
        f"{platform.system()} {platform.release()}",
        f"PostgreSQL {postgres} ({durability}); Python {platform.python_version()}; {packages}",
    ]


def load_average() -> float:
    """How busy the machine is with other things, just before."""
    return os.getloadavg()[0]


def _processor() -> str:
    return _first("/proc/cpuinfo", "model name") or platform.machine()


def _memory_gib() -> float:
    return int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 2**20


def _first(path: str, name: str) -> str | None:
    for line in Path(path).read_text("utf-8").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return None
