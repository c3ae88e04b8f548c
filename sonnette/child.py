"""One process that `run` keeps running: started, started again when it ends, stopped with us.

A child never outlives `run`: at a stop it is asked, then killed, and if `run` itself is killed the
kernel kills the child. Ctrl-C reaches `run` alone, which then asks its children.
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Mapping

from db.backoff import Backoff
from db.bound import bound
from db.errors import SonnetteError
from sonnette.parts import Part

STOP_TIMEOUT_S = 12  # a process drains for 10 s at most
STEADY_AFTER_S = 30  # having run this long, it begins with a short wait again


class DidNotStart(SonnetteError):
    """A process ended before it was ready for the first time."""


class Child:
    """`part` as a process with `environ`; `say` tells the person at the terminal."""

    def __init__(
        self,
        part: Part,
        environ: Mapping[str, str],
        say: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.part = part
        self.was_ready = False
        self._environ = environ
        self._say = say
        self._backoff = backoff or Backoff(0.5, 15)

    async def keep(self, stop: asyncio.Event) -> None:
        """Run it until `stop` is set. DidNotStart if it ends without ever having been ready."""
        while not stop.is_set():
            began = asyncio.get_running_loop().time()
            process = await self._spawn()
            try:
                await _first(process.wait(), stop.wait())
            finally:
                await _end(process)
            if not stop.is_set():
                ran_s = asyncio.get_running_loop().time() - began
                await self._ended(process, ran_s, stop)

    async def _spawn(self) -> Process:
        # -P: a folder named `db` where the administrator happens to be must not be imported.
        argv = [sys.executable, "-P", "-m", "sonnette", self.part.name]
        return await asyncio.create_subprocess_exec(
            *bound(argv, signal.SIGKILL, None),
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # our own stdout has the lines of the contract alone
            start_new_session=True,
        )

    async def _ended(self, process: Process, ran_s: float, stop: asyncio.Event) -> None:
        how = how_it_ended(process.returncode)
        if not self.was_ready:
            raise DidNotStart(f"{self.part.name} {how} before it was ready; it says why above")
        if ran_s > STEADY_AFTER_S:
            self._backoff.reset()
        wait_s = self._backoff.next_s()
        self._say(f"{self.part.name} {how}; starting it again in {wait_s:.1f} s")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait_s)


def how_it_ended(returncode: int | None) -> str:
    """An exit code of subprocess, in words."""
    if returncode is None:
        return "has not ended"
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


async def _first(*waits: Coroutine[object, object, object]) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
