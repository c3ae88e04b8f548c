"""The poller's process with a shorter fence, so that a test need not wait 15 s: see Fence.

`python -m tests.poller_main SILENCE_S TOUCH_S ANSWER_S`, configured by its environment as ever.
"""

import sys

from poller.__main__ import serve_until
from poller.session import Fence
from process import entry
from process.settings import Settings
from process.shutdown import stop_on_signals


async def serve(settings: Settings) -> None:
    """Work until SIGTERM."""
    await serve_until(stop_on_signals(), settings, Fence(*map(float, sys.argv[1:4])))


if __name__ == "__main__":
    sys.exit(entry.main(serve))
