"""Nonsense in frames, joins, filters and handshakes: the gateway lives, leaks nothing, and serves
its other clients meanwhile and afterwards.
"""

import asyncio
import json
import re
from pathlib import Path
from uuid import UUID, uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.db_helpers import ALICE, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fuzz.frames import Frames
from tests.fuzz.requests import Requests
from tests.fuzz.vitals import for_a_while, is_as_before, vitals
from tests.gateway_process import GatewayProcess, anon_key, gateway_process, token
from tests.integration.gateway_wire import CARGO, Follower, cargo, follower, wire

MALLORY = UUID("0ddba11e-0000-4000-8000-000000000001")
INTERNAL_ERROR = 1011
LIMIT_S = 20
SERVER_ERROR = re.compile(rb"^HTTP/1\.1 5\d\d", re.MULTILINE)


class Mallory:
    """Opens sockets and misuses them; the n-th one always in the same way for a seed."""

    def __init__(self, gateway: GatewayProcess, seed: str) -> None:
        self._gateway = gateway
        self._seed = seed
        self._tokens = [token(MALLORY), token(MALLORY), token(MALLORY, -5), anon_key(), "junk"]

    async def misuse(self, number: int) -> None:
        """One connection, from an address of its own."""
        host, frames = f"127.0.1.{number % 250 + 1}", self._frames(number)
        if frames.often(0.15):
            await self._http(number, host)
            return
        vsn = frames.one_of("1.0.0", "2.0.0", "2.0.0", None)
        url = self._gateway.websocket_url(frames.one_of(*self._tokens), vsn)
        try:
            async with connect(url, compression=None, local_addr=(host, 0)) as connection:
                await self._talk(connection, frames, vsn)
        except InvalidHandshake as refused:
            raise AssertionError(f"connection {number} was refused: {refused}") from None
        except TimeoutError:
            raise AssertionError(f"connection {number} was answered no more") from None
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            assert code != INTERNAL_ERROR, f"connection {number} met a mistake of the gateway's"

    async def _talk(self, connection: ClientConnection, frames: Frames, vsn: str | None) -> None:
        for _ in range(frames.random.randint(1, 40)):
            await connection.send(frames.frame(vsn))
        if frames.often(0.1):
            # No frame of WebSocket's, even, or the begin of a long one that never ends.
            connection.transport.write(frames.raw())
        elif frames.often(0.9):
            await self._answered(connection, vsn)
            return
        connection.transport.abort()

    @staticmethod
    async def _answered(connection: ClientConnection, vsn: str | None) -> None:
        """After all that a heartbeat is answered, unless the socket was closed."""
        beat: object = [None, "last", "phoenix", "heartbeat", {}]
        if vsn != "2.0.0":
            beat = {"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "last"}
        await connection.send(json.dumps(beat))
        async with asyncio.timeout(LIMIT_S):
            while '"last"' not in str(await connection.recv()):
                pass

    async def _http(self, number: int, host: str) -> None:
        port = int(self._gateway.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
        try:
            writer.write(Requests(f"{self._seed}/{number}", self._tokens).request())
            writer.write_eof()
            async with asyncio.timeout(LIMIT_S):
                answer = await reader.read(65536)
            assert not SERVER_ERROR.search(answer), f"connection {number}: {answer[:200]!r}"
        except ConnectionError:
            pass  # refused before all of it was read
        finally:
            writer.close()

    def _frames(self, number: int) -> Frames:
        return Frames(f"{self._seed}/{number}", self._tokens)


async def write_cargo(db: Connection, stop: asyncio.Event) -> int:
    """Rows of alice's, whom nobody may disturb, and as many of mallory's; how many of each."""
    written = 0
    while not stop.is_set():
        for user in (ALICE, MALLORY):
            await db.execute(
                "insert into cargo values (%s, %s, %s, 1.5)",
                (written * 2 + (user == ALICE), user, "x" * (written % 50)),
            )
        written += 1
        await asyncio.sleep(0.05)
    return written


async def followed(honest: Follower, written: int) -> None:
    """Alice's client was told all, each once, on its first socket."""
    await eventually(lambda: len(honest.numbers) >= written, LIMIT_S)
    assert honest.numbers == list(range(1, written + 1))
    assert honest.sockets == 1


async def test_no_nonsense_hurts_the_gateway(
    database: Database, db: Connection, tmp_path: Path, seed: str, duration_s: float
) -> None:
    await db.execute(CARGO)
    await db.execute("select sonnette.watch('cargo', 'owner')")
    log = tmp_path / "gateway.log"
    async with gateway_process(database.dsn("sonnette_gateway"), log) as gateway:
        mallory, stop = Mallory(gateway, seed), asyncio.Event()
        async with follower(gateway, ALICE) as honest, asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write_cargo(db, stop))
            await eventually(lambda: honest.numbers, LIMIT_S)
            idle = await vitals(gateway)
            first = await for_a_while(duration_s / 4, mallory.misuse)
            await is_as_before(gateway, idle)
            warm = await vitals(gateway)
            await for_a_while(duration_s * 3 / 4, mallory.misuse, first)
            await is_as_before(gateway, warm)
            stop.set()
            await followed(honest, await writing)
        async with wire(gateway) as newcomer:
            await newcomer.subscribe(token(uuid4()), cargo())
            await newcomer.alive()
        assert await gateway.stop() == 0
        assert "connection handler failed" not in gateway.logged()
