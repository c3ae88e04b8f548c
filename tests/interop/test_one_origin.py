"""A front end that changes its URL alone, through nginx and through Caddy on the files of deploy/.

supabase-js, unmodified, finds the socket, the functions and what is not Sonnette's at one origin.
"""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from process.settings import Address
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import running_service
from tests.gateway_process import SECRET, GatewayProcess, anon_key
from tests.interop.conftest import User
from tests.interop.proxies import PROXIES, Backends, Proxy
from tests.market import Market
from tests.needs import NODE_CLIENT, find_node, needs_node
from tests.served import served

LINE_LIMIT_S = 20


async def _before(request: Request) -> JSONResponse:
    """What the system that was there before answers, whatever it is asked."""
    return JSONResponse(
        [{"from": "before"}] if "/rest/" in request.url.path else {"from": "before"}
    )


@asynccontextmanager
async def backends(database: Database, gateway: GatewayProcess) -> AsyncIterator[Backends]:
    every = Route("/{path:path}", _before, methods=["GET", "POST"])
    at = urlsplit(gateway.url)
    async with (
        running_service(database, jwt_secret=SECRET) as service,
        served(Starlette(routes=[every])) as before,
    ):
        yield Backends(service.address, Address(at.hostname or "", at.port or 0), before)


class FrontEnd:
    """The front end's page, as one sees it from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[tuple[str, str]] = []

    async def until(self, fact: str, told: str) -> None:
        """Read until it has said so."""
        assert self._process.stdout is not None
        while (fact, told) not in self.told:
            line = await asyncio.wait_for(self._process.stdout.readline(), LINE_LIMIT_S)
            assert line, f"it has ended after {self.told}"
            said = json.loads(line)
            self.told.append((said["fact"], said["told"]))


@asynccontextmanager
async def front_end(url: str, user: User, activation: UUID) -> AsyncIterator[FrontEnd]:
    asked = {
        "url": url, "key": anon_key(), "token": user.token,
        "userId": str(user.id), "activationId": str(activation),
    }  # fmt: skip
    command = [str(find_node()), "one_origin.mjs", json.dumps(asked)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=NODE_CLIENT, stdin=PIPE, stdout=PIPE
    )
    yield FrontEnd(process)
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait_for(process.wait(), LINE_LIMIT_S)


@needs_node
@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_front_end_that_changes_its_url_alone(
    proxy: Proxy, database: Database, gateway: GatewayProcess, market: Market, alice: User,
    tmp_path: Path,
) -> None:  # fmt: skip
    activation = await market.received(alice.id, "112233")
    async with (
        backends(database, gateway) as behind,
        proxy(behind, tmp_path) as url,
        front_end(url, alice, activation) as page,
    ):
        await page.until("checked", "received")
        await page.until("elsewhere", "before")
        await page.until("rest", "before")
        await page.until("status", "SUBSCRIBED")
        waiting = await market.pending(alice.id)
        await market.bring_code(waiting, "445566")
        await page.until("change", "pending received 445566")


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_stream_comes_through_as_it_happens_and_no_log_has_the_token(
    proxy: Proxy, database: Database, gateway: GatewayProcess, market: Market, alice: User,
    tmp_path: Path,
) -> None:  # fmt: skip
    async with backends(database, gateway) as behind, proxy(behind, tmp_path) as url:
        asked = f"{url}/v1/events?after=0&access_token={alice.token}"
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("GET", asked) as stream,
        ):
            lines = stream.aiter_lines()
            await market.received(alice.id, "778899")
            async with asyncio.timeout(LINE_LIMIT_S):
                async for line in lines:
                    if "778899" in line:
                        break
            await stream.aclose()
        log = tmp_path / "access.log"
        if log.exists():
            await eventually(lambda: "GET /v1/events" in log.read_text())
            assert "access_token" not in log.read_text()
        assert alice.token not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_made_up_address_of_a_client_is_not_believed(
    proxy: Proxy, database: Database, gateway: GatewayProcess, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def echo(request: Request) -> JSONResponse:
        seen.append(request.headers.get("x-forwarded-for", ""))
        return JSONResponse({})

    async with served(Starlette(routes=[Route("/v1/me", echo)])) as service:
        at = urlsplit(gateway.url)
        behind = Backends(service, Address(at.hostname or "", at.port or 0), service)
        async with proxy(behind, tmp_path) as url, httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{url}/v1/me", headers={"X-Forwarded-For": "203.0.113.7"})
    assert seen == ["127.0.0.1"]
