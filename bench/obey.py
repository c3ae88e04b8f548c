"""How a process of the benchmark takes its commands: a line on stdin, an answer on stdout."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec


async def obey(commands: Any, answer: Callable[[Any], Awaitable[msgspec.Struct]]) -> None:
    """Answer each command (of the types `commands`) with a line, until stdin ends."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        answered = await answer(msgspec.json.decode(line, type=commands))
        sys.stdout.buffer.write(msgspec.json.encode(answered) + b"\n")
        sys.stdout.buffer.flush()
