"""The one HTTP skin of all dialects: a question to a provider, by httpx.

Promised to the dialects' clients: every question ends within its time limit and reads a bounded
body; nothing is retried here, a purchase least of all; keys stand in URLs and headers, so no URL,
no header, no body and no exception of httpx leaves this module.
"""

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx

from poller.providers.answers import NoAnswer
from poller.providers.wire import Reply

A = TypeVar("A")
# Told (question, answer, seconds) after every answer.
Observer: TypeAlias = Callable[[str, object, float], None]

BUY_TIMEOUT_S = 30.0
ASK_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
WORD_BYTES = 65_536
LIST_BYTES = 16_777_216  # a whole price list is a few MB
MAX_CONNECTIONS = 16
MAX_RETRY_AFTER_S = 86_400

for _name in ("httpx", "httpcore"):
    # httpx logs every URL at INFO, whoever configured logging.
    logging.getLogger(_name).setLevel(logging.WARNING)


class TooLong(Exception):
    """The body is longer than any answer to that question."""


def http_client(url: str) -> httpx.AsyncClient:
    """A client for one account; the caller closes it."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(ASK_TIMEOUT_S, read=BUY_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
        headers={"Accept-Encoding": "identity", "User-Agent": "sonnette"},
        follow_redirects=False,  # a redirect would carry the api_key to where it points
        trust_env=not _is_loopback(url),  # a proxy is for the world, not for this machine
    )


class Questions:
    """Puts questions to one provider with `headers`, and has `observe` told every answer."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        observe: Observer,
        *,
        headers: Mapping[str, str] | None = None,
        ask_timeout_s: float = ASK_TIMEOUT_S,
    ) -> None:
        self._http = http
        self._observe = observe
        self._headers = headers
        self._ask_timeout_s = ask_timeout_s

    async def ask(
        self,
        question: str,
        url: str,
        params: Mapping[str, str],
        parse: Callable[[Reply], A],
        *,
        timeout_s: float | None = None,
        max_bytes: int = WORD_BYTES,
    ) -> A | NoAnswer:
        """One GET, and what `parse` makes of its answer."""
        began = time.monotonic()
        reply = await self._get(url, params, timeout_s or self._ask_timeout_s, max_bytes)
        answer = reply if isinstance(reply, NoAnswer) else parse(reply)
        self._observe(question, answer, time.monotonic() - began)
        return answer

    async def _get(
        self, url: str, params: Mapping[str, str], timeout_s: float, max_bytes: int
    ) -> Reply | NoAnswer:
        try:
            # httpx limits each read; only this limits the sum of a body that drips.
            async with (
                asyncio.timeout(timeout_s),
                self._http.stream("GET", url, params=params, headers=self._headers) as response,
            ):
                body = await _bounded(response, max_bytes)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return NoAnswer("not_reached", sent=False)
        except (TimeoutError, httpx.TimeoutException):
            return NoAnswer("timeout")
        except TooLong:
            return NoAnswer("too_long")
        except (httpx.HTTPError, httpx.InvalidURL):
            return NoAnswer("broken_off")
        return Reply(response.status_code, body, _retry_after_s(response))


async def _bounded(response: httpx.Response, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise TooLong
    return bytes(body)


def _retry_after_s(response: httpx.Response) -> int | None:
    # RFC 9110 section 10.2.3 also allows a date; no provider is known to send one.
    text = response.headers.get("retry-after", "")
    return min(int(text), MAX_RETRY_AFTER_S) if text.isascii() and text.isdigit() else None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
