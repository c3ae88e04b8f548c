"""Tokens over a real socket: who is refused and why, and what happens when one runs out."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import jwt
import msgspec
import pytest

from process.tokens import mint
from tests.db_helpers import ALICE, BOB, Connection
from tests.gateway_process import SECRET, GatewayProcess, token
from tests.integration.gateway_wire import Wire, cargo, role_key, wire


def signed(**claims: object) -> str:
    return jwt.PyJWS().encode(msgspec.json.encode(claims), SECRET.encode(), "HS256")


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())


def forged() -> str:
    return mint("another secret, of more than thirty-two bytes", ALICE, datetime.now(UTC))


def unsigned() -> str:
    claims = {"sub": str(ALICE), "role": "authenticated", "exp": now_s() + 60}
    return jwt.encode(claims, "", algorithm="none")


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_each_bad_token_is_refused_with_its_reason_and_the_socket_stays(
    gateway: GatewayProcess, cargo_db: Connection, vsn: str
) -> None:
    exp = now_s() + 60
    expected = {
        token(ALICE, ttl_s=-100): "InvalidJWTToken: Token has expired 100 seconds ago",
        forged(): "JwtSignatureError: Failed to validate JWT signature",
        unsigned(): "JwtSignatureError: Failed to validate JWT signature",
        "junk": "MalformedJWT: The token provided is not a valid JWT",
        signed(role="authenticated", exp=exp): "InvalidJWTToken: Field `sub` must be a uuid in JWT",
        signed(sub="alice", role="authenticated", exp=exp): (
            "InvalidJWTToken: Field `sub` must be a uuid in JWT"
        ),
        signed(sub=str(ALICE), role="authenticated"): (
            "InvalidJWTToken: Fields `role` and `exp` are required in JWT"
        ),
        role_key("anon"): (
            "Unauthorized: an anon key joins nothing; put the user's token into the join"
        ),
    }
    async with wire(gateway, vsn=vsn) as alice:
        for access_token, reason in expected.items():
            await alice.join(access_token, cargo())
            refused = await alice.refusal()
            assert refused[:60] == reason[:60]
        await alice.subscribe(token(ALICE), cargo())
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert (await alice.change()).seq == 1


async def test_without_a_token_the_apikey_counts_and_without_both_nothing_does(
    gateway: GatewayProcess,
) -> None:
    async with wire(gateway, key=token(ALICE)) as alice, wire(gateway) as nobody:
        await alice.join(None, cargo())
        assert (await alice.frame())["payload"]["status"] == "ok"
        await nobody.join(None, cargo())
        assert await nobody.refusal() == "Unauthorized: no token; put the user's into the join"


async def failure(socket: Wire, join_ref: str) -> tuple[int, str]:
    """The next frame, which must be a phx_error of that join."""
    frame = await socket.frame()
    assert (frame["event"], frame["ref"]) == ("phx_error", join_ref), frame
    return frame["payload"]["code"], frame["payload"]["reason"]


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_token_that_runs_out_fails_the_channel_and_a_rejoin_resumes_it(
    gateway: GatewayProcess, cargo_db: Connection, vsn: str
) -> None:
    async with wire(gateway, vsn=vsn) as alice:
        await alice.subscribe(token(ALICE, ttl_s=2), cargo())
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        seen = await alice.change()
        assert await failure(alice, "1") == (4001, "Token has expired")
        await cargo_db.execute("insert into cargo values (2, %s)", (ALICE,))
        await alice.alive()
        await alice.subscribe(token(ALICE), cargo(since=seen.seq))
        resumed = await alice.change()
        assert (resumed.seq, resumed.prev) == (2, 1)


async def test_a_newer_token_keeps_the_channel_and_is_not_answered(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as alice, wire(gateway) as watch:
        await alice.subscribe(token(ALICE, ttl_s=2), cargo())
        await watch.subscribe(token(ALICE, ttl_s=2), cargo())
        await alice.say("access_token", {"access_token": token(ALICE)})
        await alice.alive()
        # The other channel's end proves that the first token's time is over.
        assert await failure(watch, "1") == (4001, "Token has expired")
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        assert (await alice.change()).seq == 1


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (BOB, "Unauthorized: the token is another user's"),
        (None, "MalformedJWT: The token provided is not a valid JWT"),
    ],
)
async def test_a_refresh_that_is_refused_fails_the_channel(
    gateway: GatewayProcess, cargo_db: Connection, user: UUID | None, reason: str
) -> None:
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        await alice.say("access_token", {"access_token": token(user) if user else "junk"})
        assert await failure(alice, "1") == (4003, reason)
        await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
        await alice.subscribe(token(ALICE), cargo(since=0))
        assert (await alice.change()).seq == 1


async def test_a_user_whom_the_database_does_not_know_yet(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    user = uuid4()
    async with wire(gateway) as socket:
        assert (await socket.subscribe(token(user), cargo(since=0)))["feed_seq"] == 0
        await cargo_db.execute("insert into cargo values (1, %s)", (user,))
        assert (await socket.change()).seq == 1
