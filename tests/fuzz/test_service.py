"""Nonsense in HTTP requests: the service lives, answers no 5xx, leaks nothing, and serves its other
users meanwhile and afterwards.
"""

import asyncio
import re
from pathlib import Path

import httpx

from tests.fixtures.postgres import Database
from tests.fuzz.requests import HOOK, Requests
from tests.fuzz.vitals import ServiceProcess, for_a_while, is_as_before, vitals
from tests.gateway_process import anon_key, token
from tests.market import market

LIMIT_S = 20
SILENCE_S = 0.5  # no answer yet: it waits for the rest of a body, or for something to happen
ANSWERS = {200, 400, 401, 404}  # without these the nonsense never got past the first check
ENOUGH = 500  # connections in which each of them comes, however slow the machine was before
STATUS = re.compile(rb"^HTTP/1\.1 (\d\d\d)", re.MULTILINE)


class Mallory:
    """Opens connections and misuses them; the n-th one always in the same way for a seed."""

    def __init__(self, service: ServiceProcess, seed: str, tokens: list[str]) -> None:
        self._port = int(service.url.rpartition(":")[2])
        self._seed = seed
        self._tokens = tokens
        self.seen: dict[int, int] = {}

    async def misuse(self, number: int) -> None:
        """One connection with a few requests, from an address of its own."""
        requests = Requests(f"{self._seed}/{number}", self._tokens)
        host = f"127.0.1.{number % 250 + 1}"
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, local_addr=(host, 0)
        )
        try:
            for _ in range(requests.random.randint(1, 4)):
                writer.write(requests.request())
            self._judge(number, await self._answers(reader))
        except ConnectionError:
            pass  # closed before all of it was read
        finally:
            writer.close()

    async def until_met(self, answers: set[int], first: int) -> None:
        """Go on until each of these answers was seen: on a busy machine few came in the time."""
        for number in range(first, first + ENOUGH):
            if answers <= self.seen.keys():
                return
            await self.misuse(number)

    @staticmethod
    async def _answers(reader: asyncio.StreamReader) -> bytes:
        answers = b""
        try:
            while len(answers) < 10**6:
                async with asyncio.timeout(SILENCE_S):
                    more = await reader.read(65536)
                if not more:
                    break
                answers += more
        except TimeoutError:
            pass
        return answers

    def _judge(self, number: int, answers: bytes) -> None:
        for status in map(int, STATUS.findall(answers)):
            self.seen[status] = self.seen.get(status, 0) + 1
            assert status < 500, f"connection {number}: {answers[-2000:]!r}"


async def ask_all_the_time(service: ServiceProcess, bearer: str, stop: asyncio.Event) -> int:
    """An honest user; how many answers it got, all of them good."""
    answered = 0
    async with httpx.AsyncClient(
        base_url=service.url, headers={"Authorization": f"Bearer {bearer}"}, timeout=LIMIT_S
    ) as client:
        while not stop.is_set():
            answer = await client.get("/v1/me")
            assert answer.status_code == httpx.codes.OK, answer.text
            answered += 1
            await asyncio.sleep(0.2)
    return answered


async def test_no_nonsense_hurts_the_service(
    database: Database, tmp_path: Path, seed: str, duration_s: float
) -> None:
    service = ServiceProcess(database.dsn("sonnette_service"), tmp_path / "service.log", {})
    try:
        async with market(database) as shop, asyncio.TaskGroup() as tasks:
            await service.start()
            await shop.poller.execute(
                "update sonnette.accounts set webhook_secret_sha256 = sha256(%s)", (HOOK.encode(),)
            )
            users = [await shop.new_user() for _ in range(20)]
            tokens = [*map(token, users), token(users[0], -5), anon_key(), "junk"]
            mallory, stop = Mallory(service, seed, tokens), asyncio.Event()
            idle = await vitals(service)
            first = await for_a_while(duration_s / 4, mallory.misuse)
            await is_as_before(service, idle)
            warm = await vitals(service)
            honest = tasks.create_task(
                ask_all_the_time(service, token(await shop.new_user()), stop)
            )
            last = await for_a_while(duration_s * 3 / 4, mallory.misuse, first)
            await mallory.until_met(ANSWERS, last)
            stop.set()
            assert await honest > 0
            await is_as_before(service, warm)
        assert mallory.seen.keys() >= ANSWERS, mallory.seen
        assert await service.stop() == 0
    finally:
        if service.running:
            service.kill()
    mistakes = [line for line in service.logged().splitlines() if "Traceback" in line]
    assert mistakes == []
