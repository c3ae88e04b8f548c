"""Keys as they are fetched: from a real HTTP server that rotates, fails, dawdles and talks junk."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from process import jwks
from process.jwks import Jwks, KeysUnavailable
from process.keys import KeyRing
from process.values import Address
from tests.facts import eventually
from tests.issuer import Issuer, document, issuer, signing_key
from tests.served import free_address, served

OLD, NEW = signing_key("old"), signing_key("new", "EdDSA")


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def running(url: str, ring: KeyRing) -> AsyncIterator[Jwks]:
    """A Jwks at work, from before its first fetch."""
    keys = Jwks(url, ring, now)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(keys.run())
        yield keys
        task.cancel()


@asynccontextmanager
async def published() -> AsyncIterator[tuple[Issuer, KeyRing, Jwks]]:
    """An issuer of OLD whose key is known already."""
    ring = KeyRing()
    async with issuer(OLD) as source, running(source.url, ring) as fetcher:
        await eventually(lambda: ring.known)
        yield source, ring, fetcher


async def test_the_keys_are_fetched_at_start() -> None:
    async with published() as (source, ring, fetcher):
        assert ring.find("old") is not None
        assert fetcher.problem is None
        assert source.asked == 1


async def test_a_rotation_is_seen_when_asked_for_and_the_old_key_goes_when_it_is_withdrawn() -> (
    None
):
    async with published() as (source, ring, fetcher):
        source.publish(OLD, NEW)
        await fetcher.newer()
        assert [ring.find(kid) is not None for kid in ("old", "new")] == [True, True]
        source.publish(NEW)
        await fetcher.newer()
        assert [ring.find(kid) is not None for kid in ("old", "new")] == [False, True]


async def test_many_who_wait_share_one_fetch_and_then_nobody_asks_for_a_while() -> None:
    async with published() as (source, ring, fetcher):
        assert ring.may_ask(now())
        await asyncio.gather(*(fetcher.newer() for _ in range(1000)))
        assert source.asked == 2
        assert not ring.may_ask(now())


async def test_a_failure_leaves_the_keys_in_use_and_ends_the_wait() -> None:
    async with published() as (source, ring, fetcher):
        source.status = 500
        await fetcher.newer()
        assert source.asked >= 2
        assert ring.find("old") is not None
        assert fetcher.problem is None, "the keys that are known are still good"


async def test_an_issuer_that_comes_later_is_found_without_being_asked_for() -> None:
    address, ring = free_address(), KeyRing()
    async with running(address.url() + "/keys", ring) as fetcher:
        assert fetcher.problem is not None
        await fetcher.newer()
        assert fetcher.problem == (
            "the published keys are not known: their issuer cannot be reached (ConnectError)"
        )
        async with served(app_of(lambda _request: Response(document(OLD))), address):
            await eventually(lambda: ring.known)
            assert fetcher.problem is None


def app_of(answer: Callable[[Request], Response]) -> Starlette:
    async def endpoint(request: Request) -> Response:
        return answer(request)

    return Starlette(routes=[Route("/keys", endpoint)])


async def refusal(answer: Callable[[Request], Response], limit_s: float = 5) -> str:
    """What comes of one fetch from a server that answers so."""
    async with served(app_of(answer)) as address:
        return await refusal_of(address, limit_s)


async def refusal_of(address: Address, limit_s: float = 5) -> str:
    url = address.url() + "/keys"
    async with jwks.http_client(url) as http:
        with pytest.raises(KeysUnavailable) as refused:
            await jwks.fetch(http, url, limit_s)
    return str(refused.value)


async def chunks(chunk: bytes) -> AsyncIterator[bytes]:
    while True:
        yield chunk
        await asyncio.sleep(0)


def zipped(request: Request) -> Response:
    assert request.headers["accept-encoding"] == "identity"
    return Response(b"\x1f\x8b\x08junk", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda _: Response(b"", 404), "their issuer answered 404"),
        (lambda _: RedirectResponse("/keys"), "their issuer answered 307"),
        (lambda _: Response(b"<html>"), "what it names is no JWKS"),
        (zipped, "what it names is no JWKS"),
        (lambda _: Response(json.dumps({"keys": []})), "there is no key in it"),
        (lambda _: StreamingResponse(chunks(b" " * 9999)), "more than 262144 bytes"),
    ],
)
async def test_what_is_no_document_of_keys_is_refused_with_a_sentence(
    answer: Callable[[Request], Response], sentence: str
) -> None:
    assert sentence in await refusal(answer)


async def test_an_issuer_that_dawdles_is_not_waited_for() -> None:
    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    said = await refusal(lambda _: StreamingResponse(drops()), limit_s=0.2)
    assert said == "their issuer gave no answer in 0.2 s"


async def test_a_server_that_is_none_is_refused_with_a_sentence() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-server\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        assert "cannot be reached" in await refusal_of(Address(host, port))


async def test_a_key_in_the_url_is_sent_and_never_said() -> None:
    async with issuer(OLD) as source:
        url = f"{source.url}?apikey=hunter2"
        async with jwks.http_client(url) as http:
            assert "old" in (await jwks.fetch(http, url)).by_kid
            source.status = 403
            with pytest.raises(KeysUnavailable) as refused:
                await jwks.fetch(http, url)
    assert "hunter2" not in str(refused.value)


async def test_httpx_itself_is_not_let_out() -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(KeysUnavailable, match="cannot be reached"):
            await jwks.fetch(http, "http://[")
