"""The tools that `npm ci` brings into web/, run as a developer runs them."""

import os
import subprocess

from tests.needs import WEB

LIMIT_S = 300


def tool(name: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """One of them, to its end."""
    return subprocess.run(
        [WEB / "node_modules" / ".bin" / name, *words],
        cwd=WEB,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
