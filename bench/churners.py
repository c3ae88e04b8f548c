"""Clients that come and go, each in its own way, as fast as a gateway lets them.

`python -m bench.churners HOST PORT SECRET` obeys `Churn` on its stdin.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from random import Random

import uvloop

from bench import speech
from bench.client import Client, connect
from bench.messages import Churn, Churned, user_id
from bench.obey import obey
from process.tokens import mint

ANSWER_LIMIT_S = 20
TOKEN_TTL_S = 86_400
STAY_S = 0.2
SEED = 4


class ChurningClient(Client):
    """It knows when its join is answered, and when its leave is."""

    def __init__(self, key: str, greeting: bytes) -> None:
        super().__init__(key, greeting)
        self.joined = asyncio.Event()
        self.over = asyncio.Event()

    def heard(self, text: bytes, now_ns: int) -> None:
        if b'"system"' in text:
            self.joined.set()
        elif b'"phx_close"' in text:
            self.farewell()

    def ended(self) -> None:
        self.over.set()
        self.joined.set()


class Churners:
    """All clients of this process; the n-th one always does the same."""

    def __init__(self, host: str, port: str, secret: str) -> None:
        self._host, self._port, self._secret = host, int(port), secret
        self._next = 0
        self._failed = 0

    async def answer(self, command: Churn) -> Churned:
        """Churn for as long as it says."""
        began, failed = self._next, self._failed
        until = time.monotonic() + command.seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(command.at_once):
                tasks.create_task(self._come_and_go(command.users, until))
        return Churned(self._next - began, self._failed - failed)

    async def _come_and_go(self, users: int, until: float) -> None:
        while time.monotonic() < until:
            number, self._next = self._next, self._next + 1
            chance = Random(f"{SEED}/{number}")
            user = user_id(chance.randrange(users))
            token = mint(self._secret, user, datetime.now(UTC), TOKEN_TTL_S)
            cursor = {"since": 0} if chance.random() < 0.3 else {}
            # A key of its own, or the gateway would slow down who comes back so often.
            client = ChurningClient(f"churn-{number}", speech.join(token, **cursor))
            try:
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    await self._visit(client, number, chance)
            except TimeoutError:
                self._failed += 1
                client.drop()

    async def _visit(self, client: ChurningClient, number: int, chance: Random) -> None:
        addresses = chance.randrange(16_000)
        if not await connect(client, self._host, self._port, addresses, ANSWER_LIMIT_S):
            self._failed += 1
            return
        if chance.random() < 0.1:
            client.drop()  # before the answer
            return
        await client.joined.wait()
        self._failed += client.over.is_set()
        await asyncio.sleep(chance.random() * STAY_S)
        act = chance.choice((client.drop, client.farewell, lambda: client.say(speech.leave())))
        act()
        await client.over.wait()


async def main(host: str, port: str, secret: str) -> None:
    await obey(Churn, Churners(host, port, secret).answer)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
