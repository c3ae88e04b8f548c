"""Sockets of users whose tokens another issuer signs, and of users whose tokens are taken back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from process.keys import ASK_AGAIN_AFTER
from process.tokens import mint
from tests.db_helpers import ALICE, BOB, Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.gateway_process import SECRET, GatewayProcess, gateway_process, token
from tests.integration.gateway_wire import Wire, cargo, wire
from tests.issuer import PATH, SigningKey, issuer, signing_key
from tests.served import free_address

ALGORITHMS = ("RS256", "ES256", "EdDSA")
OLD, NEW = signing_key("old", "RS256"), signing_key("new", "ES256")
UNKNOWN = (
    "JwtSignerError: Failed to generate JWT signer: no published key has the `kid` of this JWT"
)
CLOSED_WITHIN_S = 5


def issued(key: SigningKey, user: UUID = ALICE) -> str:
    return key.token(user, int(datetime.now(UTC).timestamp()))


@asynccontextmanager
async def trusting(
    database: Database, log: Path, url: str, secret: str = "", **others: str
) -> AsyncIterator[GatewayProcess]:
    """A gateway that verifies by published keys, and by a secret only where one is given."""
    settings = {"SONNETTE_JWKS_URL": url, "SONNETTE_JWT_SECRET": secret, **others}
    async with gateway_process(database.dsn("sonnette_gateway"), log, **settings) as running:
        yield running


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a gateway logs."""
    return tmp_path / "gateway.log"


async def test_each_algorithm_joins_by_its_published_key_and_a_secret_of_ours_by_none(
    database: Database, cargo_db: Connection, log: Path
) -> None:
    keys = [signing_key(algorithm, algorithm) for algorithm in ALGORITHMS]
    async with (
        issuer(*keys) as source,
        trusting(database, log, source.url) as gateway,
        wire(gateway) as socket,
    ):
        for key in keys:
            await socket.subscribe(issued(key), cargo(), topic=f"realtime:{key.kid}")
        await socket.join(token(ALICE), cargo())
        assert await socket.refusal() == "JwtSignatureError: Failed to validate JWT signature"
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert [(await socket.change()).seq for _ in keys] == [1, 1, 1]


async def test_a_secret_and_published_keys_may_both_be_in_use(
    database: Database, cargo_db: Connection, log: Path
) -> None:
    async with (
        issuer(OLD) as source,
        trusting(database, log, source.url, SECRET) as gateway,
        wire(gateway) as socket,
    ):
        await socket.subscribe(issued(OLD), cargo(), topic="realtime:theirs")
        await socket.subscribe(token(ALICE), cargo(), topic="realtime:ours")


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_join_with_a_key_just_published_waits_for_it_and_keeps_nobody_else_waiting(
    database: Database, cargo_db: Connection, log: Path, vsn: str
) -> None:
    async with (
        issuer(OLD) as source,
        trusting(database, log, source.url) as gateway,
        wire(gateway, vsn=vsn) as alice,
        wire(gateway, vsn=vsn) as bob,
    ):
        source.publish(OLD, NEW)
        source.answers.clear()
        await alice.join(issued(NEW), cargo())
        heartbeat = await alice.say("heartbeat", {}, "phoenix")
        await eventually(lambda: source.asked == 2)
        await bob.subscribe(issued(OLD, BOB), cargo())
        source.answers.set()
        frames = [await alice.frame() for _ in range(3)]
        said = {frame["event"]: frame["payload"] for frame in frames if frame["ref"] != heartbeat}
        assert said["phx_reply"]["status"] == "ok"
        assert said["system"]["message"] == "Subscribed to PostgreSQL"
        await alice.alive()


async def test_an_issuer_that_does_not_answer_costs_a_join_seconds_and_not_the_client(
    database: Database, cargo_db: Connection, log: Path
) -> None:
    async with issuer(OLD) as source, trusting(database, log, source.url) as gateway:
        source.answers.clear()
        async with wire(gateway) as alice:
            await alice.join(issued(NEW), cargo())
            async with asyncio.timeout(9):  # clients give a join up after 10 s
                assert await alice.refusal() == UNKNOWN
            await alice.subscribe(issued(OLD), cargo())
        source.answers.set()


async def test_made_up_keys_are_refused_and_cost_their_issuer_nothing(
    database: Database, cargo_db: Connection, log: Path
) -> None:
    async with (
        issuer(OLD) as source,
        # The keys alone have to stand it: no limit on joins comes to their help.
        trusting(database, log, source.url, SONNETTE_SOCKET_JOINS_PER_S="10000") as gateway,
        wire(gateway) as socket,
    ):
        began_s = time.monotonic()
        for number in range(300):
            await socket.join(OLD.sign({}, kid=f"junk {number}"), cargo())
            assert await socket.refusal() == UNKNOWN
        elapsed_s = time.monotonic() - began_s
        assert source.asked <= 2 + elapsed_s / ASK_AGAIN_AFTER.total_seconds()
        await socket.subscribe(issued(OLD), cargo())
        assert "junk" not in gateway.logged()


async def test_before_its_issuer_is_there_a_gateway_is_not_ready_and_then_heals(
    database: Database, cargo_db: Connection, log: Path
) -> None:
    address = free_address()
    settings = {"SONNETTE_JWKS_URL": address.url() + PATH, "SONNETTE_JWT_SECRET": SECRET}
    gateway = GatewayProcess(database.dsn("sonnette_gateway"), log, settings)
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(gateway.start())
        try:
            await eventually(lambda: lacks_its_keys(gateway))
            async with wire(gateway) as socket:
                await socket.join(issued(OLD), cargo())
                assert await socket.refusal() == (
                    "JwtSignerError: Failed to generate JWT signer: the keys cannot be fetched now;"
                    " try again"
                )
                await socket.subscribe(token(ALICE), cargo(), topic="realtime:by our secret")
                async with issuer(OLD, address=address):
                    await starting
                    await socket.subscribe(issued(OLD), cargo())
        finally:
            gateway.kill()


async def lacks_its_keys(gateway: GatewayProcess) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            answer = await client.get(f"{gateway.url}/readyz")
        except httpx.TransportError:
            return False
    return answer.status_code == 503 and answer.json()["problems"] == [
        "the published keys are not known: their issuer cannot be reached (ConnectError)"
    ]


# --- tokens that are taken back


async def ended(socket: Wire) -> float:
    """Take the end of a channel and of its socket; how long that took, in seconds."""
    began_s = time.monotonic()
    frame = await socket.frame()
    assert frame["event"] == "phx_error", frame
    assert frame["payload"] == {"code": 4005, "reason": "Token has been revoked"}
    assert await socket.closed() == (1008, "token revoked")
    return time.monotonic() - began_s


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_revocation_closes_each_socket_of_that_user_and_no_other(
    gateway: GatewayProcess, cargo_db: Connection, vsn: str
) -> None:
    async with (
        wire(gateway, vsn=vsn) as first,
        wire(gateway, vsn=vsn) as second,
        wire(gateway, vsn=vsn) as bobs,
    ):
        for socket, user in ((first, ALICE), (second, ALICE), (bobs, BOB)):
            await socket.subscribe(token(user), cargo())
        await cargo_db.execute("select sonnette.revoke(%s)", (ALICE,))
        for socket in (first, second):
            assert await ended(socket) < CLOSED_WITHIN_S
        await cargo_db.execute("insert into cargo values (1, %s), (2, %s)", (ALICE, BOB))
        assert (await bobs.change()).row["id"] == 2


async def test_a_revoked_token_comes_back_to_a_refusal_and_a_newer_one_resumes(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    old = mint(SECRET, ALICE, datetime.now(UTC) - timedelta(seconds=10))
    async with wire(gateway) as socket:
        await socket.subscribe(old, cargo())
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        seen = await socket.change()
        await cargo_db.execute("select sonnette.revoke(%s, now() - interval '5 s')", (ALICE,))
        await ended(socket)
    await cargo_db.execute("insert into cargo values (2, %s)", (ALICE,))
    async with wire(gateway, key=old) as socket:
        for access_token in (old, None):
            await socket.join(access_token, cargo())
            assert await socket.refusal() == "InvalidJWTToken: Token has been revoked"
        await socket.subscribe(token(ALICE), cargo(since=seen.seq))
        resumed = await socket.change()
        assert (resumed.seq, resumed.prev) == (2, 1)


async def test_who_does_not_answer_the_goodbye_is_cut_off_and_gets_nothing_meanwhile(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as thief:
        await thief.subscribe(token(ALICE), cargo())
        thief.connection.transport.pause_reading()
        await cargo_db.execute("select sonnette.revoke(%s)", (ALICE,))
        await eventually(lambda: counts(gateway, 'sockets_cut_total{reason="token revoked"} 1.0'))
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        await eventually(lambda: counts(gateway, "sockets 0.0"))
        thief.connection.transport.resume_reading()
        await ended(thief)


async def counts(gateway: GatewayProcess, line: str) -> bool:
    """Whether the gateway's metrics have this line."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{gateway.url}/metrics")
    return f"sonnette_gateway_{line}\n" in answer.text


async def test_without_its_ring_a_revocation_is_found_all_the_same(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as socket:
        await socket.subscribe(token(ALICE), cargo())
        await cargo_db.execute(
            "insert into sonnette.revocations (user_id, not_before) values (%s, now())", (ALICE,)
        )
        assert await ended(socket) < CLOSED_WITHIN_S


async def test_a_gateway_that_starts_later_knows_what_was_revoked_before(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    old = token(ALICE)
    assert await gateway.stop() == 0
    await cargo_db.execute("select sonnette.revoke(%s)", (ALICE,))
    await gateway.start()
    async with wire(gateway) as socket:
        await socket.join(old, cargo())
        assert await socket.refusal() == "InvalidJWTToken: Token has been revoked"
