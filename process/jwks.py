"""Keeps a KeyRing as its issuer publishes it: fetched by HTTP at start, every few minutes, and when
a token names a key that nobody has seen.

Promised: every fetch ends within 4 s and reads a bounded body; one is under way at a time, however
many wait for it; a failure leaves the keys that are known in use, is logged once, and is tried
again after a jittered back-off. The URL may hold a key of its own and is in no sentence.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from random import Random
from urllib.parse import urlsplit

import httpx
import structlog

from db.backoff import Backoff
from db.errors import SonnetteError
from process.keys import BadKeys, KeyRing, Keys, parse
from process.values import is_loopback

log = structlog.get_logger(__name__)

FETCH_LIMIT_S = 4  # a client waits 10 s for the answer to its join, which may then read a feed
MAX_BODY_BYTES = 262_144
REFRESH_S = 300  # how long a withdrawn key may stay in use
MAX_RETRY_S = 60


class KeysUnavailable(SonnetteError):
    """The keys cannot be fetched from SONNETTE_JWKS_URL, or what is there is of no use."""


class Jwks:
    """Fetches for `ring` from `url`; `clock` gives the aware time of now."""

    def __init__(self, url: str, ring: KeyRing, clock: Callable[[], datetime]) -> None:
        self._url = url
        self._ring = ring
        self._clock = clock
        self._backoff = Backoff(1, MAX_RETRY_S)
        self._rng = Random()  # noqa: S311 - spreads load, guards nothing
        self._wanted = asyncio.Event()
        self._fetched = asyncio.Event()  # of the fetch that is under way or next
        self._state = "they have not been fetched yet"

    @property
    def problem(self) -> str | None:
        """Why no token can be verified by a published key; None once there are keys."""
        return None if self._ring.known else f"the published keys are not known: {self._state}"

    async def run(self) -> None:
        """Fetch until cancelled."""
        async with http_client(self._url) as http:
            while True:
                pause_s = await self._fetch(http)
                try:
                    async with asyncio.timeout(pause_s):
                        await self._wanted.wait()
                except TimeoutError:
                    continue

    async def newer(self) -> None:
        """Wait for the fetch that is under way, else for one that begins now: 4 s at most."""
        self._wanted.set()
        await self._fetched.wait()

    async def _fetch(self, http: httpx.AsyncClient) -> float:
        """One fetch, good or not; how many seconds until the next."""
        try:
            keys = await fetch(http, self._url)
        except KeysUnavailable as error:
            self._say(log.warning, str(error))
            pause_s = self._backoff.next_s()
        else:
            self._ring.replace(keys)
            self._say(log.info, "; ".join([f"{len(keys.by_kid)} in use", *keys.skipped]))
            self._backoff.reset()
            pause_s = REFRESH_S * self._rng.uniform(0.8, 1)
        self._release()
        return pause_s

    def _release(self) -> None:
        if self._wanted.is_set():
            self._ring.asked(self._clock())
            self._wanted.clear()
        done, self._fetched = self._fetched, asyncio.Event()
        done.set()

    def _say(self, write: Callable[..., None], state: str) -> None:
        if state != self._state:
            write("the published keys", state=state)
        self._state = state


async def fetch(http: httpx.AsyncClient, url: str, limit_s: float = FETCH_LIMIT_S) -> Keys:
    """The keys that are published at `url`, or KeysUnavailable."""
    try:
        async with asyncio.timeout(limit_s), http.stream("GET", url) as answer:
            return parse(await _body(answer))
    except TimeoutError:
        raise KeysUnavailable(f"their issuer gave no answer in {limit_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise KeysUnavailable(f"their issuer cannot be reached ({type(error).__name__})") from None
    except BadKeys as bad:
        raise KeysUnavailable(str(bad)) from None


async def _body(answer: httpx.Response) -> bytes:
    if answer.status_code != httpx.codes.OK:
        raise KeysUnavailable(f"their issuer answered {answer.status_code}")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise KeysUnavailable(f"their document has more than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def http_client(url: str) -> httpx.AsyncClient:
    """A client for `fetch`; the caller closes it."""
    return httpx.AsyncClient(
        timeout=FETCH_LIMIT_S,
        # What is unpacked has no bound; and a redirect could leave https.
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        follow_redirects=False,
        trust_env=not is_loopback(urlsplit(url).hostname or ""),
    )
