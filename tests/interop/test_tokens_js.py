"""supabase-js and tokens that other keys sign or that are taken back; see docs/security.md.

The token race, a renewal in time and an expiry that heals are in test_supabase_js.py.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from process.tokens import mint
from tests.fixtures.postgres import Database
from tests.gateway_process import SECRET, GatewayProcess, gateway_process, token
from tests.interop.conftest import User
from tests.interop.node_client import Change, JsClient, Status
from tests.interop.raw import of_user
from tests.interop.test_supabase_js import client_of
from tests.issuer import issuer, signing_key
from tests.market import Market
from tests.needs import needs_node

pytestmark = needs_node

OLD, NEW = signing_key("old", "RS256"), signing_key("new", "ES256")


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())


async def until_refused(client: JsClient, reason: str) -> None:
    """Until the subscribe callback was told this reason."""
    while (await client.until(Status)).reason != reason:
        pass


async def test_a_token_of_another_issuer_and_one_of_its_next_key(
    database: Database, market: Market, alice: User, tmp_path: Path
) -> None:
    async with (
        issuer(OLD) as source,
        gateway_process(
            database.dsn("sonnette_gateway"), tmp_path / "jwks.log",
            SONNETTE_JWKS_URL=source.url, SONNETTE_JWT_SECRET="",
        ) as gateway,
        client_of(
            gateway, OLD.token(alice.id, now_s()), of_user(alice.id), key="sb_publishable_key"
        ) as first,
    ):  # fmt: skip
        await first.until_served()
        source.publish(NEW)
        await first.renew(NEW.token(alice.id, now_s()))
        renewed = NEW.token(alice.id, now_s())
        async with client_of(
            gateway, renewed, of_user(alice.id), key="sb_publishable_key"
        ) as second:
            await second.until_served()  # at once: its key is known by now, or waited for
            await market.buy(alice.id)
            for client in (first, second):
                assert isinstance(await client.next(), Change)


async def test_a_revoked_token_is_shut_out_until_there_is_a_newer_one(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    stolen = mint(SECRET, alice.id, datetime.now(UTC) - timedelta(seconds=10))
    async with client_of(gateway, stolen, of_user(alice.id, since=0), cursor=True) as client:
        await client.until_served()
        await market.operator.execute(
            "select sonnette.revoke(%s, now() - interval '5 seconds')", (alice.id,)
        )
        await until_refused(client, "socket closed: 4005 (Token has been revoked)")
        missed = await market.buy(alice.id)
        await until_refused(client, "InvalidJWTToken: Token has been revoked")
        assert client.changes == []
        await client.renew(token(alice.id))
        assert (await client.until(Change)).row["id"] == str(missed)
