"""The programs of docs/examples, run as they are; what they print, as facts."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.needs import NODE_CLIENT, find_node

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
LINE_LIMIT_S = 60  # supabase-js comes back up to 10 s late, PyPI realtime even later
END_LIMIT_S = 10


class Example:
    """A running program. `changes` are the numbers that it has told, `lists` those of its lists."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.changes: list[int] = []
        self.lists: list[int] = []

    async def until_seen(self, seq: int) -> None:
        """Until it has told of that change."""
        while seq not in self.changes:
            await self._read()

    async def until_listed(self, times: int = 1) -> None:
        """Until it has read everything so many times."""
        while len(self.lists) < times:
            await self._read()

    async def ended(self) -> tuple[int | None, str]:
        """Its exit code and what it says on standard error, at its own end."""
        async with asyncio.timeout(LINE_LIMIT_S):
            out, err = await self.process.communicate()
        for line in out.decode().splitlines():
            self._take(line)
        return self.process.returncode, err.decode().strip()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(LINE_LIMIT_S):
            line = await self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise AssertionError((await self.process.stderr.read()).decode())
        self._take(line.decode())

    def _take(self, line: str) -> None:
        first, *rest = line.split()
        if first == "all":
            self.lists.append(int(rest[-1]))
        else:
            self.changes.append(int(first))


@asynccontextmanager
async def example(name: str, folder: Path, *arguments: str) -> AsyncIterator[Example]:
    """The example of that name, copied to `folder`, running for the length of a block."""
    program = folder / name
    shutil.copyfile(EXAMPLES / name, program)
    interpreter = sys.executable
    if program.suffix == ".mjs":
        interpreter = str(find_node())
        (folder / "node_modules").symlink_to(NODE_CLIENT / "node_modules")
    process = await asyncio.create_subprocess_exec(
        interpreter, str(program), *arguments, stdout=PIPE, stderr=PIPE
    )
    try:
        yield Example(process)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(END_LIMIT_S):
            await process.communicate()
