"""The gateway's process at a quicker pace, so that a test need not wait a minute.

`python -m tests.gateway_main`, configured by its environment as ever: the sweep comes each second,
a silent client is pinged after two and given up after six.
"""

import sys

from gateway.__main__ import serve
from gateway.relay import Pace
from gateway.socket import Patience
from process import entry
from process.settings import Settings

PACE = Pace(catalog_s=1, sweep_s=1)
PATIENCE = Patience(ping_after_s=2, silence_s=6)


async def quickly(settings: Settings) -> None:
    """Serve until SIGTERM."""
    await serve(settings, PACE, PATIENCE)


if __name__ == "__main__":
    sys.exit(entry.main(quickly))
