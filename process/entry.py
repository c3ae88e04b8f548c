"""How a process begins and ends: settings, log, event loop, and for the world's refusals one
sentence on stderr instead of a traceback.

Each `<package>/__main__.py` has `async def serve(settings)` and `main = lambda: entry.main(serve)`
in long hand; a mistake of our own still shows its traceback. No process leaves a core, in which its
keys and its users' codes would be.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Callable, Coroutine

import uvloop

from db.errors import SonnetteError
from process import logs
from process.settings import Settings, load


def main(serve: Callable[[Settings], Coroutine[None, None, None]]) -> int:
    """Run `serve` with the environment's settings until it returns; the exit code, 0 or 1."""
    sentences: list[str] = []
    with contextlib.suppress(OSError):  # who forbids this has set the limit
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        settings = load(os.environ)
        logs.configure(settings.log_level)
        uvloop.run(serve(settings))
    except* SonnetteError as refused:  # a TaskGroup hands them over in groups
        sentences = _sentences(refused)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return 1 if sentences else 0


def _sentences(group: BaseExceptionGroup[SonnetteError]) -> list[str]:
    """Each sentence once, in the order raised."""
    found: dict[str, None] = {}
    for error in group.exceptions:
        inner = _sentences(error) if isinstance(error, BaseExceptionGroup) else [str(error)]
        found |= dict.fromkeys(inner)
    return list(found)
