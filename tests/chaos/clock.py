"""A clock that a process is given in place of the machine's, to be set while it runs: libfaketime.

Only the time of day moves: timers that count seconds go on as they do when an administrator, or
ntpd, sets the clock of a real machine.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from db import binaries
from db.account import server_account
from tests.chaos.postgres import Template

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
needs_faketime = pytest.mark.skipif(
    LIBRARY is None, reason="needs libfaketime (Debian: libfaketime)"
)


@dataclass(frozen=True)
class Clock:
    """What whoever has `environ` takes for the time. `file` lies where each of them can read it."""

    file: Path

    def __post_init__(self) -> None:
        self.set(0)

    def set(self, offset_s: int) -> None:
        """So many seconds before or after the machine's clock, from now on."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}\n")
        fresh.chmod(0o644)
        fresh.replace(self.file)

    @property
    def environ(self) -> dict[str, str]:
        """For a process that is to have it."""
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }

    def postgres(self, template: Template, folder: Path) -> Template:
        """The same data, served by a Postgres that has this clock; `folder` is for its program."""
        real = binaries.usable_by(server_account(), template.bindir).bindir
        given = " ".join(f"{name}={value}" for name, value in self.environ.items())
        for name in ("postgres", "initdb"):
            program = folder / name
            program.write_text(f'#!/bin/sh\nexec env {given} {real / name} "$@"\n')
            program.chmod(0o755)
        return Template(folder, template.data)
