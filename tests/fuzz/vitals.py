"""What a process holds: memory, tasks and sockets, before and after it was mistreated."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.facts import eventually
from tests.gateway_process import GatewayProcess

RSS_FIELD = 1  # of /proc/<pid>/statm, in pages of 4 KiB
PAGE_BYTES = 4096
MAX_GROWTH_BYTES = 32 * 1024 * 1024
BACK_WITHIN_S = 45  # a request may wait for 30
POOL_FILES = 16  # a pool of database connections grows when it is needed, and shrinks late
WORKERS = 6


class ServiceProcess(GatewayProcess):
    """The service in a process of its own, handled as a gateway's is."""

    PART = "service"


@dataclass(frozen=True)
class Vitals:
    """At one moment."""

    rss_bytes: int
    files: int
    tasks: int


async def vitals(process: GatewayProcess) -> Vitals:
    """What it holds now, the question for it included."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{process.url}/metrics")).text
    tasks = next(
        line for line in text.splitlines() if line.startswith(f"sonnette_{process.PART}_tasks ")
    )
    return Vitals(*_memory_and_files(process.pid), int(float(tasks.split()[1])))


def _memory_and_files(pid: int) -> tuple[int, int]:
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[RSS_FIELD])
    return pages * PAGE_BYTES, len(list(proc.glob("fd/*")))


async def is_as_before(process: GatewayProcess, before: Vitals) -> None:
    """Tasks and files are back, and memory has not grown without end."""

    async def more() -> tuple[int, int]:
        now = await vitals(process)
        return now.tasks - before.tasks, now.files - before.files

    async def back() -> bool:
        tasks, files = await more()
        return tasks <= 0 and files <= POOL_FILES

    try:
        await eventually(back, BACK_WITHIN_S)
    except AssertionError:
        tasks, files = await more()
        raise AssertionError(f"it still holds {tasks} tasks and {files} files more") from None
    grown = (await vitals(process)).rss_bytes - before.rss_bytes
    assert grown < MAX_GROWTH_BYTES, f"{grown} bytes more than after the first quarter"


async def for_a_while(
    duration_s: float, mistreat: Callable[[int], Awaitable[None]], first: int = 0
) -> int:
    """Call `mistreat` with 0, 1, 2, ... by several workers at once; how often it was."""
    end_s = asyncio.get_running_loop().time() + duration_s
    numbers = iter(range(first, 10**9))
    number = first

    async def work() -> None:
        nonlocal number
        while asyncio.get_running_loop().time() < end_s:
            number = next(numbers)
            await mistreat(number)

    async with asyncio.TaskGroup() as workers:
        for _ in range(WORKERS):
            workers.create_task(work())
    return number + 1
