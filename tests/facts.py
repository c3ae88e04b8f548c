"""Waiting for facts, for tests that would otherwise sleep.

A fact is asked for until it holds or the time is up; the failure then says what was last seen.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

POLL_S = 0.02


@overload
async def eventually(fact: Callable[[], Awaitable[T]], timeout_s: float = 10) -> T: ...


@overload
async def eventually(fact: Callable[[], T], timeout_s: float = 10) -> T: ...


async def eventually(fact: Callable[[], T | Awaitable[T]], timeout_s: float = 10) -> T:
    """The first truthy answer of `fact`, a function or a coroutine function."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = fact()
        seen = await answer if inspect.isawaitable(answer) else answer
        if seen:
            return seen
        _give_up_after(deadline, timeout_s, seen)
        await asyncio.sleep(POLL_S)


def wait_until(fact: Callable[[], T], timeout_s: float = 10) -> T:
    """The same for tests without an event loop."""
    deadline = time.monotonic() + timeout_s
    while not (seen := fact()):
        _give_up_after(deadline, timeout_s, seen)
        time.sleep(POLL_S)
    return seen


def _give_up_after(deadline: float, timeout_s: float, seen: object) -> None:
    if time.monotonic() > deadline:
        raise AssertionError(f"not true within {timeout_s} s; last seen: {seen!r}")
