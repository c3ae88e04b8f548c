"""Thousands of clients that must miss nothing: each keeps its cursor, comes back and resumes.

`python -m bench.followers HOST PORT SECRET` obeys `Follow` and `Check` on its stdin. They come back
as supabase-js does, 1, 2, 5 and then every 10 s after they were cut off, all at the same time.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import uvloop

from bench import speech
from bench.client import Client, connect
from bench.messages import Check, Follow, Followed, Opened, user_id
from bench.obey import obey
from process.tokens import mint

COME_BACK_S = (1, 2, 5, 10)
CONNECT_TIMEOUT_S = 20
TOKEN_TTL_S = 86_400
JOINING_AT_ONCE = 100  # at first; later all of them at once
POLL_S = 0.1


class Follower:
    """One user. `begin` is where they began, `seqs` all that they were told, in order.

    `joined`: the first join is answered; `over`: the socket has ended.
    """

    def __init__(self, number: int, secret: str) -> None:
        self.number = number
        self._user = user_id(number)
        self._token = mint(secret, self._user, datetime.now(UTC), TOKEN_TTL_S)
        self._epoch: str | None = None
        self._joined_at: int | None = None
        self._tried_ns = 0
        self.begin: int | None = None
        self.last = 0
        self.seqs: list[int] = []
        self.heard_ns: list[int] = []
        self.resyncs = 0
        self.refused = 0
        self.attempts = 0
        self.resumed: tuple[float, int] | None = None
        self.joined = asyncio.Event()
        self.over = asyncio.Event()

    def client(self) -> "FollowersClient":
        """The next socket, with the cursor as it is now."""
        self._joined_at = None
        self._tried_ns = time.monotonic_ns()
        self.attempts += 1
        self.over.clear()
        return FollowersClient(self, str(self._user), self.join())

    def join(self) -> bytes:
        """The join, with the cursor as it is now."""
        cursor = {} if self.begin is None else {"since": self.last, "epoch": self._epoch}
        return speech.join(self._token, filter=f"user_id=eq.{self._user}", **cursor)

    def heard(self, text: bytes, now_ns: int) -> None:
        """A change, or an answer to the join."""
        found = speech.numbers(text)
        if found is not None:
            self.last = max(self.last, found[0])
            self.seqs.append(found[0])
            self.heard_ns.append(now_ns)
            self._look(now_ns)
        elif b'"system"' in text:
            self._system(msgspec.json.decode(text)[4], now_ns)
        elif b'"status":"error"' in text:
            self.refused += 1

    def _system(self, said: dict[str, object], now_ns: int) -> None:
        seq = said["feed_seq"]
        assert isinstance(seq, int)
        if said["extension"] == "resync":
            self.resyncs += 1
        if self.begin is None:
            self.begin = self.last = seq
            self.joined.set()
        self._epoch = str(said["epoch"])
        self._joined_at = seq
        self._look(now_ns)

    def _look(self, now_ns: int) -> None:
        """Whether all that there was at the join has come by now."""
        if self._joined_at is not None and self.last >= self._joined_at:
            self._joined_at = None
            if self.attempts > 1:
                self.resumed = (now_ns - self._tried_ns) / 1e9, now_ns

    def faults(self, last: int) -> tuple[int, int, int]:
        """Lost, doubled and disordered, where the log goes to `last`."""
        told = set(self.seqs)
        expected = range((self.begin or 0) + 1, last + 1)
        lost = sum(seq not in told for seq in expected)
        disordered = sum(after < before for before, after in pairwise(self.seqs))
        return lost, len(self.seqs) - len(told), disordered


class FollowersClient(Client):
    """A socket of a follower's."""

    def __init__(self, follower: Follower, key: str, greeting: bytes) -> None:
        super().__init__(key, greeting)
        self._follower = follower

    def heard(self, text: bytes, now_ns: int) -> None:
        self._follower.heard(text, now_ns)
        if b'"status":"error"' in text and b'"phx_reply"' in text:
            delay_s = COME_BACK_S[min(self._follower.refused, len(COME_BACK_S)) - 1]
            asyncio.get_running_loop().call_later(delay_s, self._again)

    def ended(self) -> None:
        self._follower.over.set()

    def _again(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.say(self._follower.join())


class Crowd:
    """All followers of this process."""

    def __init__(self, host: str, port: str, secret: str, tasks: asyncio.TaskGroup) -> None:
        self._host, self._port, self._secret = host, int(port), secret
        self._tasks = tasks
        self._doors = asyncio.Semaphore(JOINING_AT_ONCE)
        self._followers: list[Follower] = []
        self._running: list[asyncio.Task[None]] = []

    async def answer(self, command: Follow | Check) -> Opened | Followed:
        """What a command asks for."""
        if isinstance(command, Follow):
            began = time.monotonic()
            await self._open(command.count)
            return Opened(time.monotonic() - began)
        await self._until(command)
        return self._figures(command)

    def stop(self) -> None:
        """Nobody comes back any more."""
        for task in self._running:
            task.cancel()

    async def _open(self, count: int) -> None:
        self._followers = [Follower(number, self._secret) for number in range(count)]
        self._running = [self._tasks.create_task(self._follow(one)) for one in self._followers]
        for one in self._followers:
            await one.joined.wait()

    async def _follow(self, one: Follower) -> None:
        async with self._doors:
            client = one.client()
            await connect(client, self._host, self._port, one.number, CONNECT_TIMEOUT_S)
            await one.joined.wait()
        tries = 0
        while True:
            if client.transport is not None:
                await one.over.wait()
            tries = 0 if client.upgraded else tries
            await asyncio.sleep(COME_BACK_S[min(tries, len(COME_BACK_S) - 1)])
            tries += 1
            client = one.client()
            await connect(client, self._host, self._port, one.number, CONNECT_TIMEOUT_S)

    async def _until(self, command: Check) -> None:
        deadline = time.monotonic() + command.timeout_s
        while time.monotonic() < deadline:
            pairs = zip(self._followers, command.last, strict=True)
            if all(one.last >= last for one, last in pairs):
                return
            await asyncio.sleep(POLL_S)

    def _figures(self, command: Check) -> Followed:
        pairs = zip(self._followers, command.last, strict=True)
        lost, doubled, disordered = (
            sum(column) for column in zip(*(one.faults(last) for one, last in pairs), strict=True)
        )
        resumed = [one.resumed for one in self._followers if one.resumed is not None]
        return Followed(
            lost=lost,
            doubled=doubled,
            disordered=disordered,
            resyncs=sum(one.resyncs for one in self._followers),
            refused=sum(one.refused for one in self._followers),
            attempts=sum(one.attempts - 1 for one in self._followers),
            resumed_s=[seconds for seconds, _at_ns in resumed],
            back_ns=[at_ns for _seconds, at_ns in resumed],
            heard_ns=[at_ns for one in self._followers for at_ns in one.heard_ns],
        )


async def main(host: str, port: str, secret: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        crowd = Crowd(host, port, secret, tasks)
        await obey(Follow | Check, crowd.answer)
        crowd.stop()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
