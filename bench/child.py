"""A process of the benchmark, and the line-by-line conversation with it."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T")

MAX_LINE_BYTES = 64 * 1024 * 1024  # a long phase answers with hundreds of thousands of times
STOP_TIMEOUT_S = 15


class ChildFailed(Exception):
    """A process of the benchmark ended, or did not answer; its own words are on stderr."""


class Child:
    """`python -m <module> <arguments>`, with pipes for stdin and stdout."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process

    async def ask(self, command: msgspec.Struct, answer: type[T], timeout_s: float) -> T:
        """Send a command and read its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        return msgspec.json.decode(await self.line(timeout_s), type=answer)

    async def line(self, timeout_s: float) -> bytes:
        """The next line that it prints."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise ChildFailed(f"{self.name} did not answer within {timeout_s:.0f} s") from None
        if not line:
            raise ChildFailed(f"{self.name} ended")
        return line

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.communicate()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def child(
    module: str, *arguments: str, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Start a process; it is stopped when the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        env=environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )
    running = Child(module, process)
    try:
        yield running
    finally:
        await running.stop()
