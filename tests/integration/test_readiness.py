"""Asking health pages: ready means 200, and a wait that ends in vain says who was missing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from process import http
from process.settings import Address
from sonnette import readiness
from sonnette.parts import Part
from tests.fixtures.running import free_ports


class Health:
    """A process whose health the test decides."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.address = Address("127.0.0.1", free_ports(1)[0])
        self.part = Part("gateway", "SONNETTE_GATEWAY_LISTEN", self.address, None, "/readyz")
        self.asked = asyncio.Event()

    async def answer(self, _request: Request) -> PlainTextResponse:
        self.asked.set()
        return PlainTextResponse("not\nlistening yet", self.status)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        stop, listening = asyncio.Event(), asyncio.Event()
        app = Starlette(routes=[Route("/readyz", self.answer)])
        setting = self.part.setting
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                http.serve(
                    app, self.address, setting=setting, stop=stop, on_listening=listening.set
                )
            )
            await listening.wait()
            try:
                yield
            finally:
                stop.set()


async def test_it_returns_once_the_last_one_is_ready() -> None:
    late, ready = Health(503), Health(200)
    async with late.served(), ready.served():
        waiting = asyncio.create_task(readiness.all_ready((ready.part, late.part)))
        await late.asked.wait()
        assert not waiting.done()
        late.status = 200
        await waiting


async def test_who_never_becomes_ready_is_named_with_the_answer() -> None:
    never, nobody = Health(503), Health(200)
    async with never.served():
        with pytest.raises(readiness.NotReady) as refused:
            await readiness.all_ready((never.part,), timeout_s=0.5)
    assert str(refused.value) == "not ready within 0.5 s: gateway: 503 not listening yet"
    with pytest.raises(readiness.NotReady, match="gateway: nobody listens there"):
        await readiness.all_ready((nobody.part,), timeout_s=0.5)
