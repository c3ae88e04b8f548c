"""What some tests need beyond Python: found by running it, else the test is skipped with a reason.

Used as `@needs_node`, `@needs_chromium` and so on, on tests or as `pytestmark`. Under `--no-skips`
a skip is a failure (tests/no_skips.py).
"""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

NODE_CLIENT = Path(__file__).parent / "interop" / "node"
WEB = Path(__file__).parents[1] / "web"
MIN_NODE_MAJOR = 20
_TRY_TIMEOUT_S = 30


@cache
def find_node(folder: Path = NODE_CLIENT) -> Path | None:
    """The `node` on PATH, if it is new enough and the packages of `folder` are installed."""
    found = shutil.which("node")
    if found is None or not (folder / "node_modules").is_dir():
        return None
    major = _first_line(found, "--version").removeprefix("v").partition(".")[0]
    return Path(found) if major.isdecimal() and int(major) >= MIN_NODE_MAJOR else None


@cache
def find_newer_node() -> Path | None:
    """The Node 24 that npm brings with the interop client's packages, for some processors."""
    for found in sorted(NODE_CLIENT.glob("node_modules/node-linux-*/bin/node")):
        if _first_line(str(found), "--version").startswith("v24."):
            return found
    return None


@cache
def find_chromium() -> Path | None:
    """A Chromium that starts, by the names that distributions give it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None and _first_line(found, "--version"):
            return Path(found)
    return None


def _first_line(program: str, argument: str) -> str:
    try:
        told = subprocess.run(
            [program, argument],
            capture_output=True,
            text=True,
            timeout=_TRY_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.partition("\n")[0]


needs_node = pytest.mark.skipif(
    find_node() is None,
    reason=f"needs Node {MIN_NODE_MAJOR} or later and `npm ci` in tests/interop/node",
)
needs_web = pytest.mark.skipif(
    find_node(WEB) is None, reason=f"needs Node {MIN_NODE_MAJOR} or later and `npm ci` in web"
)
needs_newer_node = pytest.mark.skipif(
    find_newer_node() is None,
    reason="needs Node 24, which `npm ci` in tests/interop/node brings on Linux x64 and arm64",
)
needs_chromium = pytest.mark.skipif(
    find_chromium() is None, reason="needs Chromium (Debian: chromium, fonts-dejavu-core)"
)
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="needs nginx (Debian: nginx-light)"
)
needs_caddy = pytest.mark.skipif(
    shutil.which("caddy") is None, reason="needs Caddy (Debian: caddy)"
)
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool (Debian: prometheus)"
)
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (Debian: curl)")
