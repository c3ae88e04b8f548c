"""Sends the simulator's webhooks by HTTP, each in its own time, as simulated_webhooks.py says.

Promised to those who test with it: an SMS is posted the moment it arrives; a receiver that hangs
holds up no other post (64 at most are under way at once).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import httpx

from poller.simulated_webhooks import Outbox, Post

MAX_UNDER_WAY = 64
LOOK_ANYWAY_S = 1.0  # a test may move the clock


class Posts:
    """Empties `outbox` until cancelled."""

    def __init__(self, outbox: Outbox, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._changed = asyncio.Event()
        self._room = asyncio.Semaphore(MAX_UNDER_WAY)
        outbox.on_change = self._changed.set

    async def run(self) -> None:
        """Send what is due, and wait for what is not."""
        async with httpx.AsyncClient(trust_env=False) as web, asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                for post in self._outbox.due(self._clock()):
                    await self._room.acquire()
                    tasks.create_task(self._send(web, post))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._wait_s()):
                        await self._changed.wait()

    def _wait_s(self) -> float:
        at = self._outbox.next_at()
        if at is None:
            return LOOK_ANYWAY_S
        return min(max((at - self._clock()).total_seconds(), 0.0), LOOK_ANYWAY_S)

    async def _send(self, web: httpx.AsyncClient, post: Post) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            answer = await web.post(
                post.url, content=post.body, headers=headers, timeout=post.timeout_s
            )
            status: int | None = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            status = None
        finally:
            self._room.release()
        self._outbox.answered(post, status, self._clock())
