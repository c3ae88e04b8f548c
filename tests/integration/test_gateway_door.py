"""The door before websockets' connections, over real TCP: who waits, and who is given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve

from gateway.connection import Door
from process.rates import Rate
from tests.facts import eventually


@dataclass
class House:
    """A server that answers each message with the same, and what its door has told."""

    server: Server
    waits: list[None]
    cuts: list[str]
    door: Door
    opened: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(next(iter(self.server.sockets)).getsockname()[1])

    def client(self) -> connect:
        """A client, to be entered."""
        return connect(f"ws://127.0.0.1:{self.port}", compression=None, ping_interval=None)

    async def half(self) -> asyncio.StreamReader:
        """Somebody who connects and never says anything."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.opened.append(writer)
        return reader


@asynccontextmanager
async def house(
    rate: Rate = Rate(1e6, 1e6),  # noqa: B008 - it is frozen
    most: int = 100,
    max_opening: int = 100,
    opening_s: float = 0,
) -> AsyncIterator[House]:
    """A server for the length of a block."""
    waits: list[None] = []
    cuts: list[str] = []
    door = Door(rate, most, lambda: waits.append(None), cuts.append, max_opening, opening_s)

    async def echo(connection: ServerConnection) -> None:
        async for data in connection:
            await connection.send(data)

    async with serve(
        echo, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=None,
        create_connection=door.connect,  # type: ignore[arg-type]
    ) as server:  # fmt: skip
        one = House(server, waits, cuts, door)
        yield one
        for writer in one.opened:
            writer.transport.abort()
            writer.close()


async def echoes(client: ClientConnection, frames: list[str]) -> list[str]:
    """Send them all at once, and as many answers."""
    for frame in frames:
        await client.send(frame)
    return [str(await client.recv()) for _ in frames]


async def test_who_is_within_the_rate_never_waits() -> None:
    async with house(Rate(per_s=1, burst=50)) as one, one.client() as client:
        assert await echoes(client, ["x"] * 40) == ["x"] * 40
        assert one.waits == []


async def test_who_is_over_it_waits_and_loses_nothing() -> None:
    async with house(Rate(per_s=1000, burst=10)) as one, one.client() as client:
        frames = [str(number) * 20 for number in range(500)]
        assert await echoes(client, frames) == frames
        assert len(one.waits) > 0


async def test_a_large_frame_counts_as_several() -> None:
    async with house(Rate(per_s=1000, burst=10)) as one, one.client() as client:
        assert await echoes(client, ["x" * 100_000]) == ["x" * 100_000]
        assert len(one.waits) > 0


async def test_who_was_made_to_wait_can_leave_in_good_order() -> None:
    async with house(Rate(per_s=100, burst=1)) as one:
        async with one.client() as client:
            await echoes(client, ["x"] * 20)
            await client.close()
        await eventually(lambda: not one.server.handlers)
        assert client.close_code == 1000


async def test_the_oldest_that_asks_for_nothing_makes_room() -> None:
    async with house(max_opening=2) as one:
        first, second, _third = [await one.half() for _ in range(3)]
        assert await first.read() == b""
        assert one.cuts == ["half open"]
        async with one.client() as client:
            assert await echoes(client, ["x"]) == ["x"]
        assert await second.read() == b""
        assert one.door.opening == 1


async def test_one_that_has_only_just_come_is_not_given_up() -> None:
    async with house(max_opening=1, opening_s=3600) as one:
        for _ in range(3):
            await one.half()
        await eventually(lambda: one.door.opening == 3)
        assert one.cuts == []


async def test_where_there_is_no_file_left_a_connection_is_ended_at_once() -> None:
    async with house(most=1) as one, one.client() as client:
        assert await (await one.half()).read() == b""
        assert one.cuts == ["no room"]
        assert await echoes(client, ["x"]) == ["x"]
        assert one.door.opening == 0


async def test_who_has_asked_or_is_gone_is_not_half_open() -> None:
    async with house() as one:
        async with one.client() as client:
            await echoes(client, ["x"])
            assert one.door.opening == 0
        await one.half()
        await eventually(lambda: one.door.opening == 1)
        one.opened[0].transport.abort()
        await eventually(lambda: one.door.opening == 0)
