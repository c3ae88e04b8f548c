"""What clients should not send: each answered or ignored as it deserves; nobody else notices."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.db_helpers import ALICE, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import LIMIT_S, Wire, cargo, role_key, wire

DEEP = 990  # levels that a frame can just have: encoding it with more around it would fail

FRAMES: list[str | bytes] = [
    "",
    "junk",
    "{",
    "[]",
    "null",
    "[1,2,3,4,5]",
    '["1","1","realtime:test","phx_join"]',
    '["1","1","realtime:test","phx_join",[]]',
    '["1","1",null,"phx_join",{}]',
    "[" * 60_000,
    "\u2028\x00",
    b"",
    b"\x00",
    b"\x03\xff\xff\xff\xff\xff\x01",
    b"\xff" * 1000,
]


async def counted(gateway: GatewayProcess, name: str) -> float:
    """A counter of /metrics, over all its labels."""
    async with httpx.AsyncClient() as client:
        lines = (await client.get(f"{gateway.url}/metrics")).text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith((f"sonnette_gateway_{name} ", f"sonnette_gateway_{name}{{"))
    )


async def test_junk_is_counted_and_the_connection_lives_on(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        for data in FRAMES:
            await alice.connection.send(data)
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert (await alice.change()).seq == 1
        assert await counted(gateway, "bad_frames_total") == len(FRAMES)


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_an_unknown_topic_and_an_unknown_event(gateway: GatewayProcess, vsn: str) -> None:
    async with wire(gateway, vsn=vsn) as alice:
        await alice.join(token(ALICE), cargo(), topic="room:1")
        assert await alice.refusal() == "TopicNameRequired: a topic is written realtime:<name>"
        await alice.say("shout", {})
        assert await alice.refusal() == "unmatched topic"
        await alice.subscribe(token(ALICE), cargo())
        await alice.say("shout", {})
        await alice.alive()


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        (cargo(filter="note"), "InvalidFilter: a filter is written column=operator.value"),
        (cargo(filter="colour=eq.red"), "InvalidFilter: invalid column for filter colour"),
        (cargo(filter="id=eq.many"), "InvalidFilter: invalid input syntax for type integer"),
        (cargo(filter="note=fts.x"), "InvalidFilter: unknown operator fts"),
        (cargo(since="7"), "InvalidCursor: `since` must be a feed_seq"),
        ({"event": "*", "table": "ledger"}, "UnableToSubscribe: no table public.ledger is watched"),
        ({"event": "*"}, "UnableToSubscribe: No subscription params provided"),
    ],
)
async def test_a_bad_binding_is_refused_with_the_reason_and_the_next_join_works(
    gateway: GatewayProcess, binding: object, reason: str
) -> None:
    async with wire(gateway) as alice:
        await alice.join(token(ALICE), cargo(), binding)
        assert (await alice.refusal()).startswith(reason)
        await alice.subscribe(token(ALICE), cargo())


async def test_a_binding_nested_to_the_limit_harms_nobody(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as witness, wire(gateway) as mallory:
        await witness.subscribe(token(ALICE), cargo())
        for depth in range(DEEP - 40, DEEP + 20):
            binding = json.dumps(cargo())[:-1] + ',"x":' + "[" * depth + "]" * depth + "}"
            await mallory.connection.send(
                f'["1","{depth}","realtime:deep","phx_join",{{"access_token":"{token(ALICE)}",'
                f'"config":{{"postgres_changes":[{binding}]}}}}]'
            )
        await mallory.alive_at_last()
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert (await witness.change()).seq == 1
        assert gateway.running


async def test_a_frame_over_the_limit_ends_its_own_socket_alone(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as alice, wire(gateway) as other:
        await alice.subscribe(token(ALICE), cargo())
        await other.connection.send("x" * 262_145)
        assert (await other.closed())[0] == 1009
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        await alice.change()


async def test_text_that_is_not_utf8_ends_its_own_socket(gateway: GatewayProcess) -> None:
    async with wire(gateway) as alice:
        await alice.connection.send(b"\xff\xfe", text=True)
        assert (await alice.closed())[0] == 1007


@pytest.mark.parametrize("vsn", ["3.0.0", "x", "2.0.0.0"])
async def test_an_unknown_version_is_403_with_an_empty_body(
    gateway: GatewayProcess, vsn: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(gateway.websocket_url(None, vsn))
    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"")


async def test_an_unknown_path_is_404(gateway: GatewayProcess) -> None:
    for path in ("/", "/realtime/v1", "/realtime/v1/websocket/x", "//[", "/livez/x"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(gateway.url.replace("http", "ws") + path)
        assert refused.value.response.status_code == 404


async def test_both_paths_lead_to_the_same_service(gateway: GatewayProcess) -> None:
    for path in ("/realtime/v1/websocket", "/socket/websocket"):
        url = f"{gateway.url.replace('http', 'ws')}{path}?vsn=2.0.0&log_level=info&mine=1"
        async with connect(url) as connection:
            await Wire(connection, "2.0.0").alive()


async def test_the_key_may_come_as_a_header_and_then_it_wins(gateway: GatewayProcess) -> None:
    url = gateway.websocket_url("junk", "2.0.0")
    async with connect(url, additional_headers={"x-api-key": token(ALICE)}) as connection:
        alice = Wire(connection, "2.0.0")
        await alice.join(None, cargo())
        assert (await alice.frame())["payload"]["status"] == "ok"


async def test_compression_is_not_negotiated(gateway: GatewayProcess) -> None:
    async with connect(gateway.websocket_url(None, "2.0.0"), compression="deflate") as connection:
        assert connection.protocol.extensions == []


async def test_limits_of_a_socket(gateway: GatewayProcess) -> None:
    async with wire(gateway) as alice:
        await alice.join(token(ALICE), *[cargo()] * 101)
        assert await alice.refusal() == (
            "TooManyBindings: a channel has at most 100 postgres_changes bindings"
        )
        for number in range(100):
            await alice.join(token(ALICE), topic=f"realtime:{number}")
            assert (await alice.frame())["payload"]["status"] == "ok"
        await alice.join(token(ALICE), topic="realtime:one more")
        assert await alice.refusal() == "ChannelRateLimitReached: Too many channels"


REQUESTS = {
    "no request at all": b"",
    "half a request": b"GET /realtime/v1/websocket?apikey=SECRETKEY HT",
    "an older HTTP": b"GET /realtime/v1/websocket?apikey=SECRETKEY HTTP/1.0\r\n\r\n",
    "another method": b"POST /realtime/v1/websocket?apikey=SECRETKEY HTTP/1.1\r\n\r\n",
    "no WebSocket": b"GET /realtime/v1/websocket?apikey=SECRETKEY HTTP/1.1\r\nHost: x\r\n\r\n",
    "junk": b"\x16\x03\x01SECRETKEY\r\n\r\n",
}


async def test_a_handshake_that_fails_puts_no_key_into_the_log(gateway: GatewayProcess) -> None:
    """A proxy that speaks HTTP/1.0 would otherwise fill the log with its users' tokens."""
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    for request in REQUESTS.values():
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(LIMIT_S):
            await reader.read()
        writer.close()
        await writer.wait_closed()
    async with wire(gateway) as alice:
        await alice.alive()
    assert "SECRETKEY" not in gateway.logged()
    assert "Traceback" not in gateway.logged()


async def test_nothing_that_clients_or_the_feed_say_is_logged(
    database: Database, cargo_db: Connection, tmp_path: Path
) -> None:
    access_token, log = token(ALICE), tmp_path / "debug.log"
    dsn = database.dsn("sonnette_gateway")
    async with gateway_process(dsn, log, SONNETTE_LOG_LEVEL="DEBUG") as gateway:
        async with wire(gateway, key=role_key("anon")) as alice:
            await alice.join("junk.junk.SECRETKEY", cargo())
            await alice.refusal()
            await alice.connection.send("SECRETKEY")
            await alice.subscribe(access_token, cargo(filter="note=eq.SECRETKEY"))
            await cargo_db.execute("insert into cargo values (1, %s, 'SECRETKEY')", (ALICE,))
            await alice.change()
        assert await gateway.stop() == 0
    assert "bad frame" in gateway.logged()
    assert "SECRETKEY" not in gateway.logged()
    assert access_token not in gateway.logged()


async def test_a_client_that_vanishes_is_forgotten(gateway: GatewayProcess) -> None:
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        assert await counted(gateway, "sockets") == 1
        alice.connection.transport.abort()
        with pytest.raises(ConnectionClosed):
            await alice.connection.recv()

    async def gone() -> bool:
        return await counted(gateway, "sockets") == 0

    await eventually(gone)
