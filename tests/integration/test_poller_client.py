"""The HTTP skin over real sockets: bounded in time and size, and silent about the api_key."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias

import pytest

from poller.providers.answers import (
    AccountRefused,
    ActiveList,
    AllSms,
    AskedAgain,
    Balance,
    Bought,
    Cancelled,
    Finished,
    NoAnswer,
    NotKnown,
    PriceList,
    Refused,
    Sms,
    Unexpected,
    Waiting,
)
from poller.providers.base import Order, Provider
from poller.providers.client import HandlerApiClient
from poller.providers.clients import client_for
from poller.providers.dialects import DIALECTS
from poller.providers.http import http_client
from poller.simulator import Simulator, new_provider, utc_now
from tests.served import free_address, served

KEY = "a-secret-key"
PATH = "/stubs/handler_api.php"
ORDER = Order("a-reference", "wa", "6", None, Decimal("0.5"))
FIVE_SIM_ORDER = replace(ORDER, service_code="whatsapp", country_code="indonesia")
Talk: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Calls:
    """What the observer was told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []

    def __call__(self, question: str, answer: object, _seconds: float) -> None:
        self.seen.append((question, answer))


@asynccontextmanager
async def client_of(
    url: str, key: str = KEY, calls: Calls | None = None
) -> AsyncIterator[Provider]:
    async with http_client(url) as http:
        yield HandlerApiClient(
            http,
            dialect=DIALECTS["sms-activate"],
            url=url,
            api_key=key,
            observe=calls or Calls(),
            ask_timeout_s=1,
        )


@asynccontextmanager
async def dialect_client(url: str, dialect: str) -> AsyncIterator[Provider]:
    """A client of the simulator at `url` in that dialect."""
    path, key = ("/v1", "demo") if dialect == "5sim" else (PATH, f"demo-{dialect}")
    key = "demo" if dialect == "sms-activate" else key
    async with http_client(url) as http:
        yield client_for(DIALECTS[dialect], http, url=url + path, api_key=key, observe=Calls())


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """The URL of a server that hands each connection to `talk` after its request has come."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}{PATH}"
    finally:
        server.close()
        await server.wait_closed()


async def test_every_question_is_answered_by_the_simulator() -> None:
    calls = Calls()
    app = Simulator(new_provider(utc_now(), seed=1), utc_now).app()
    async with (
        served(app) as address,
        client_of(address.url() + PATH, key="demo", calls=calls) as provider,
    ):
        bought = await provider.buy(ORDER)
        assert isinstance(bought, Bought)
        assert await provider.check(bought.order_id) == Waiting()
        assert await provider.cancel(bought.order_id) == Cancelled()
        assert await provider.check(bought.order_id) == Cancelled()
        assert await provider.finish("7") == NotKnown()
        assert await provider.another_sms("7") == NotKnown()
        assert await provider.balance() == Balance(Decimal("1000000.00"))
        prices = await provider.prices()
        assert isinstance(prices, PriceList)
        assert len(prices.prices) == 6
        await provider.check_many()
    questions = [question for question, _ in calls.seen]
    assert questions == [
        *("buy", "check", "cancel", "check", "finish", "another_sms"),
        *("balance", "prices", "check_many"),
    ]


async def test_after_the_sms_it_finishes_or_asks_for_another() -> None:
    provider_side = new_provider(utc_now(), seed=1)
    app = Simulator(provider_side, utc_now).app()
    async with (
        served(app) as address,
        client_of(address.url() + PATH, key="demo") as provider,
    ):
        bought = await provider.buy(ORDER)
        assert isinstance(bought, Bought)
        number = provider_side.find(bought.order_id, utc_now())
        provider_side.deliver(number, "Your code is 358042", None, utc_now())
        assert await provider.another_sms(bought.order_id) == AskedAgain()
        assert await provider.check(bought.order_id) == Waiting(again=True)
        assert await provider.finish(bought.order_id) == Finished()


async def test_a_wrong_key_is_the_account_s_trouble() -> None:
    app = Simulator(new_provider(utc_now(), seed=1), utc_now).app()
    async with served(app) as address, client_of(address.url() + PATH) as provider:
        assert await provider.buy(ORDER) == AccountRefused("BAD_KEY")


async def test_nobody_there_is_an_answer_that_says_nothing_was_sent() -> None:
    async with client_of(f"http://{free_address()}{PATH}") as provider:
        assert await provider.buy(ORDER) == NoAnswer("not_reached", sent=False)


async def test_silence_ends_with_the_time_limit() -> None:
    async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with talking(say_nothing) as url, client_of(url) as provider:
        assert await provider.check("1") == NoAnswer("timeout")


async def test_a_body_that_drips_ends_with_the_time_limit() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with talking(drip) as url, client_of(url) as provider:
        assert await provider.check("1") == NoAnswer("timeout")


async def test_a_body_without_end_is_not_read_to_it() -> None:
    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with talking(flood) as url, client_of(url) as provider:
        assert await provider.check("1") == NoAnswer("too_long")


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nSTATUS_OK:3", b"STATUS_OK:358042"]
)
async def test_an_answer_that_breaks_off_is_none(said: bytes) -> None:
    async def break_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with talking(break_off) as url, client_of(url) as provider:
        assert await provider.check("1") == NoAnswer("broken_off")


async def test_a_redirect_is_not_followed() -> None:
    async def redirect(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")
        await writer.drain()

    async with talking(redirect) as url, client_of(url) as provider:
        assert await provider.check("1") == Unexpected("http_302")


@pytest.mark.parametrize("dialect", ["sms-activate", "5sim"])
async def test_the_key_stands_in_no_log_at_any_level(
    dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = Simulator(new_provider(utc_now(), seed=1), utc_now).app()
    async with served(app) as address, http_client(address.url()) as http:
        for url in (address.url(), free_address().url()):
            path = "/v1" if dialect == "5sim" else PATH
            provider = client_for(
                DIALECTS[dialect], http, url=url + path, api_key=KEY, observe=Calls()
            )
            await provider.balance()
            assert KEY not in repr(provider)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("dialect", "every"),
    [
        ("sms-activate", True),
        ("hero", True),
        ("tiger", True),
        ("grizzly", True),
        ("smsbower", False),
        ("smshub", False),
        ("5sim", True),
    ],
)
async def test_all_that_a_provider_knows_of_a_number_is_read_again(
    dialect: str, every: bool
) -> None:
    simulator = Simulator(new_provider(utc_now(), seed=1), utc_now)
    side = simulator.accounts.of[dialect]
    async with (
        served(simulator.app()) as address,
        dialect_client(address.url(), dialect) as provider,
    ):
        bought = await provider.buy(FIVE_SIM_ORDER if dialect == "5sim" else ORDER)
        assert isinstance(bought, Bought)
        number = side.find(bought.order_id, utc_now())
        texts = ["Your code is 111111", "Your code is 222222"]
        for text in texts:
            side.deliver(number, text, None, utc_now())
        found = await provider.read_all(bought.order_id)
        whole = AllSms((Sms("111111", texts[0]), Sms("222222", texts[1])))
        assert found == (whole if every else AllSms((Sms("222222"),)))


@pytest.mark.parametrize("dialect", ["hero", "tiger", "5sim"])
async def test_a_list_in_pages_is_one_list(dialect: str) -> None:
    simulator = Simulator(new_provider(utc_now(), seed=1), utc_now)
    side = simulator.accounts.of[dialect]
    ids = {side.buy("wa", "6", None, Decimal(1), utc_now()).id for _ in range(230)}
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1

    async with (
        served(simulator.app()) as address,
        dialect_client(address.url(), dialect) as provider,
    ):
        found = await provider.check_many(turn)
    assert turns == 2, "one before each page but the first"
    assert isinstance(found, ActiveList)
    assert {row.order_id for row in found.rows} == ids
    assert len(found.rows) == 230
    assert found.whole
    assert sum(side.calls.values()) == 3


async def test_a_list_that_breaks_off_tells_what_it_had_and_that_it_is_not_whole() -> None:
    pages = 0

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pages
        pages += 1
        if pages == 1:
            rows = [{"activationId": n} for n in range(100)]
            body = json.dumps({"data": rows}).encode()
            head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    async with talking(break_off) as url, http_client(url) as http:
        provider = client_for(DIALECTS["hero"], http, url=url, api_key=KEY, observe=Calls())
        found = await provider.check_many()
    assert isinstance(found, ActiveList)
    assert len(found.rows) == 100
    assert not found.whole


async def test_5sim_sells_at_no_operator_without_a_highest_price() -> None:
    async with dialect_client(f"http://{free_address()}", "5sim") as provider:
        answer = await provider.buy(replace(ORDER, operator="virtual4"))
    assert answer == Refused("OPERATOR_WITHOUT_MAX_PRICE")
