"""Serving over real sockets: it says when it listens, stops when told, and names a taken port."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from process import http
from process.ports import PortInUse, listening_socket
from process.settings import Address, SettingsError
from process.shutdown import stop_on_signals

SETTING = "SONNETTE_SERVICE_LISTEN"
LIMIT_S = 20


def free_address() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return Address("127.0.0.1", int(probe.getsockname()[1]))


async def livez(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


@asynccontextmanager
async def served(
    app: ASGIApp, drain_s: int = http.DRAIN_S
) -> AsyncIterator[tuple[Address, asyncio.Event]]:
    """`app`, listening; on leaving it is stopped and must have returned."""
    address, stop, listening = free_address(), asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(
            http.serve(
                app,
                address,
                setting=SETTING,
                stop=stop,
                on_listening=listening.set,
                drain_s=drain_s,
            )
        )
        await listening.wait()
        try:
            yield address, stop
        finally:
            stop.set()


async def test_it_answers_from_the_moment_it_says_it_listens() -> None:
    async with (
        served(Starlette(routes=[Route("/livez", livez)])) as (address, _),
        httpx.AsyncClient() as client,
    ):
        answer = await client.get(f"{address.url()}/livez")
    assert (answer.status_code, answer.text) == (200, "ok")
    assert "server" not in answer.headers


async def test_once_it_has_returned_the_port_is_free() -> None:
    async with served(Starlette()) as (address, _):
        with pytest.raises(PortInUse):
            listening_socket(address, setting=SETTING)
    listening_socket(address, setting=SETTING).close()


async def test_a_request_in_flight_is_answered_before_it_returns() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request) -> PlainTextResponse:
        entered.set()
        await release.wait()
        return PlainTextResponse("finished")

    async with (
        httpx.AsyncClient() as client,
        asyncio.TaskGroup() as tasks,
        served(Starlette(routes=[Route("/slow", slow)])) as (address, stop),
    ):
        asked = tasks.create_task(client.get(f"{address.url()}/slow"))
        await entered.wait()
        stop.set()
        await _refused(client, f"{address.url()}/livez")
        release.set()
        assert (await asked).text == "finished"


async def _refused(client: httpx.AsyncClient, url: str) -> None:
    """Returns once new connections are refused; the time limit is that of `served`."""
    while await _outcome(client, url) != "ConnectError":
        pass


async def test_a_request_that_never_ends_is_cut_when_its_time_is_over() -> None:
    entered = asyncio.Event()

    async def endless(_request: Request) -> PlainTextResponse:
        entered.set()
        await asyncio.Event().wait()
        return PlainTextResponse("never")

    async with (
        httpx.AsyncClient(timeout=LIMIT_S) as client,
        asyncio.TaskGroup() as tasks,
        served(Starlette(routes=[Route("/endless", endless)]), drain_s=1) as (address, stop),
    ):
        asked = tasks.create_task(_outcome(client, f"{address.url()}/endless"))
        await entered.wait()
        stop.set()
        told = monotonic()
        await asked
    assert 1 <= monotonic() - told < 8


async def _outcome(client: httpx.AsyncClient, url: str) -> str:
    try:
        return str((await client.get(url)).status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


async def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", int(taken.getsockname()[1]))
        with pytest.raises(PortInUse) as refused:
            await http.serve(Starlette(), address, setting=SETTING, stop=asyncio.Event())
    assert str(refused.value) == f"port {address.port} is in use; set {SETTING}"


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_that_is_not_ours_is_one_sentence(host: str) -> None:
    with pytest.raises(SettingsError, match=rf"cannot listen on {host}:8000: .+; set {SETTING}"):
        listening_socket(Address(host, 8000), setting=SETTING)


async def test_a_lifespan_that_fails_is_an_error_and_leaves_the_port_free() -> None:
    @asynccontextmanager
    async def failing(_app: Starlette) -> AsyncIterator[None]:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
        yield

    app, address = Starlette(lifespan=failing), free_address()
    with pytest.raises(http.ApplicationDidNotStart):
        await http.serve(app, address, setting=SETTING, stop=asyncio.Event())
    listening_socket(address, setting=SETTING).close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_sets_the_event_and_a_second_one_changes_nothing(
    number: signal.Signals,
) -> None:
    stop = stop_on_signals()
    try:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(LIMIT_S):
            await stop.wait()
        os.kill(os.getpid(), number)
        assert stop.is_set()
    finally:
        for handled in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(handled)


PROGRAM = """
import asyncio, sys
from db.errors import DatabaseUnavailable
from process import entry

async def fail(sentence): raise DatabaseUnavailable(sentence)

async def serve(settings):
    if sys.argv[1] == "well": return
    if sys.argv[1] == "bug": raise LookupError("ours")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail("no server at db:5432"))
        tasks.create_task(fail("no server at db:5432"))

sys.exit(entry.main(serve))
"""


async def run_program(how: str, **environ: str) -> tuple[int | None, str]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, how, env=environ, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT_S):
        _, err = await program.communicate()
    return program.returncode, err.decode()


async def test_a_process_that_ends_well_exits_0_and_says_nothing() -> None:
    assert await run_program("well") == (0, "")


async def test_what_the_world_refuses_is_one_sentence_and_exit_1() -> None:
    assert await run_program("world") == (1, "no server at db:5432\n")
    assert await run_program("well", SONNETTE_CURRENCY="dollars") == (
        1,
        "SONNETTE_CURRENCY must be three capital letters, such as USD, not 'dollars'\n",
    )


async def test_a_mistake_of_our_own_keeps_its_traceback() -> None:
    code, err = await run_program("bug")
    assert code == 1
    assert "Traceback" in err
    assert "LookupError: ours" in err
