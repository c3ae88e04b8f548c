"""One socket of the gateway's over real TCP, its clock in the test's hand: who is cut, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from gateway.metrics import Metrics
from gateway.server import LOOK_EVERY_S
from gateway.socket import USUAL, Socket, relieve
from tests.facts import eventually

FRAME = "x" * 50_000
MAX_BUFFER_BYTES = 100_000


@dataclass
class Pair:
    """Both ends of one connection, and the server's as a Socket that was opened at 0 s."""

    server: ServerConnection
    client: ClientConnection
    socket: Socket
    metrics: Metrics

    def freeze(self) -> None:
        """The client stops reading, and the system's own buffers are filled."""
        self.client.transport.pause_reading()
        while self.unread() == 0:
            self.socket.send(FRAME)

    def unread(self) -> int:
        """Bytes that wait in the server's buffer."""
        return self.server.transport.get_write_buffer_size()

    def is_cut(self) -> bool:
        """Whether the server has given the connection up."""
        return self.server.transport.is_closing()

    def cuts(self, reason: str) -> float:
        """How often a socket was cut for that reason."""
        found = self.metrics.registry.get_sample_value(
            "sonnette_gateway_sockets_cut_total", {"reason": reason}
        )
        return found or 0


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    """A client that is connected for the length of a block."""
    arrived: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def handle(connection: ServerConnection) -> None:
        await arrived.put(connection)
        await connection.wait_closed()

    async with (
        serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server,
        connect(
            f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}",
            compression=None, ping_interval=None, max_queue=None, close_timeout=1,
        ) as client,
    ):  # fmt: skip
        accepted, metrics = await arrived.get(), Metrics()
        socket = Socket(accepted, MAX_BUFFER_BYTES, metrics, 0)
        yield Pair(accepted, client, socket, metrics)
        client.transport.abort()


def test_the_limit_leaves_time_to_notice_and_to_look() -> None:
    assert USUAL.stuck_s + 2 * LOOK_EVERY_S <= 10


async def test_who_reads_nothing_for_ten_seconds_is_cut() -> None:
    async with pair() as one:
        one.freeze()
        await one.socket.look(5)
        await one.socket.look(5 + USUAL.stuck_s - 0.1)
        assert not one.is_cut()
        await one.socket.look(5 + USUAL.stuck_s)
        assert one.is_cut()
        assert one.cuts("not reading") == 1
        one.socket.send(FRAME)
        await one.socket.look(30)
        assert one.cuts("not reading") == 1


async def test_the_time_in_which_the_gateway_stood_still_is_held_against_nobody() -> None:
    async with pair() as one:
        one.socket.excuse(100)
        await one.socket.look(100 + USUAL.silence_s - 0.1)
        assert not one.is_cut()
    async with pair() as one:
        one.freeze()
        await one.socket.look(5)
        one.socket.excuse(100)
        await one.socket.look(105 + USUAL.stuck_s - 0.1)
        assert not one.is_cut()
        await one.socket.look(105 + USUAL.stuck_s)
        assert one.is_cut()


async def test_who_reads_slowly_is_not_cut() -> None:
    async with pair() as one:
        one.freeze()
        await one.socket.look(0)
        one.socket.send(FRAME)
        before = one.unread()
        one.client.transport.resume_reading()
        await eventually(lambda: one.unread() < before)
        one.client.transport.pause_reading()
        one.freeze()  # it has read, and its buffer is not empty at any look
        for now_s in (10, 10 + USUAL.stuck_s - 0.1):
            await one.socket.look(now_s)
            assert not one.is_cut()
        await one.socket.look(10 + USUAL.stuck_s)
        assert one.is_cut()


def fill(one: Pair) -> None:
    """Frames up to the limit; the next one is one too many."""
    one.freeze()
    while one.unread() <= MAX_BUFFER_BYTES:
        one.socket.send(FRAME)


async def test_a_full_buffer_ends_the_socket_with_1013_if_its_client_still_reads() -> None:
    async with pair() as one:
        fill(one)
        assert not one.is_cut()
        one.socket.send(FRAME)
        unread = one.unread()
        one.socket.send(FRAME)
        assert one.unread() == unread, "nothing is written behind the goodbye"
        one.client.transport.resume_reading()
        await one.client.wait_closed()
        assert (one.client.close_code, one.client.close_reason) == (1013, "buffer full")
        assert one.cuts("buffer full") == 1


async def test_who_does_not_take_the_goodbye_is_cut() -> None:
    async with pair() as one:
        fill(one)
        one.socket.send(FRAME)
        now_s = asyncio.get_running_loop().time()
        await one.socket.look(now_s + 4)
        assert not one.is_cut()
        await one.socket.look(now_s + 6)
        assert one.is_cut()
        assert one.cuts("buffer full") == 1


async def test_who_has_read_nothing_at_all_is_not_told_but_cut() -> None:
    async with pair() as one:
        fill(one)
        await one.socket.look(0)
        one.socket.send(FRAME)
        assert one.is_cut()
        assert one.cuts("buffer full") == 1


async def test_a_socket_with_much_to_read_says_so_until_it_is_read() -> None:
    async with pair() as one:
        one.freeze()
        one.socket.send(FRAME)
        await eventually(lambda: one.socket.full)
        one.client.transport.resume_reading()
        await eventually(lambda: not one.socket.full)


async def test_together_over_the_limit_those_with_the_most_unread_go() -> None:
    async with pair() as idle, pair() as little, pair() as much:
        little.freeze()
        fill(much)
        both = little.unread() + much.unread()
        sockets = [idle.socket, little.socket, much.socket]
        await much.socket.look(0)
        relieve(sockets, both)
        assert [one.is_cut() for one in (much, little, idle)] == [False, False, False]
        relieve(sockets, both - 1)
        assert [one.is_cut() for one in (much, little, idle)] == [True, False, False]
        assert much.cuts("memory") == 1


async def test_who_is_silent_is_pinged_and_the_answer_counts_as_life() -> None:
    async with pair() as one:
        await one.socket.look(19.9)
        await one.socket.look(20)
        await eventually(lambda: one.socket.last_heard_at > 20)  # the loop's own clock


async def test_who_does_not_answer_for_a_minute_is_cut() -> None:
    async with pair() as one:
        one.client.transport.pause_reading()
        for now_s in (20, 40, 59.9):
            await one.socket.look(now_s)
            assert not one.is_cut()
        await one.socket.look(60)
        assert one.is_cut()
        assert one.cuts("silent") == 1


async def test_who_says_something_is_not_silent() -> None:
    async with pair() as one:
        one.client.transport.pause_reading()
        one.socket.last_heard_at = 50
        await one.socket.look(109)
        assert not one.is_cut()
