"""PyPI `realtime` and tokens that other keys sign or that are taken back; see docs/security.md.

The token race, a renewal in time and an expiry that heals are in test_realtime_py.py.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from process.tokens import mint
from tests.fixtures.postgres import Database
from tests.gateway_process import SECRET, GatewayProcess, gateway_process, token
from tests.interop.conftest import User
from tests.interop.python_client import PythonClient, Status, python_client
from tests.interop.raw import of_user
from tests.issuer import issuer, signing_key
from tests.market import Market

# It reads a close code in a way that its own websockets library warns of.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:ConnectionClosed\.(code|reason) is deprecated:DeprecationWarning"
)

KEY = signing_key("new", "EdDSA")
OTHER = signing_key("old", "RS256")


async def until_told(client: PythonClient, reason: dict[str, object]) -> None:
    """Until the subscribe callback was called with CHANNEL_ERROR and this reason."""
    while await client.next() != Status("CHANNEL_ERROR", json.dumps(reason)):
        pass


async def test_a_token_whose_key_was_published_just_now(
    database: Database, market: Market, alice: User, tmp_path: Path
) -> None:
    async with (
        issuer(OTHER) as source,
        gateway_process(
            database.dsn("sonnette_gateway"), tmp_path / "jwks.log",
            SONNETTE_JWKS_URL=source.url, SONNETTE_JWT_SECRET="",
        ) as gateway,
    ):  # fmt: skip
        source.publish(OTHER, KEY)
        fresh = KEY.token(alice.id, int(datetime.now(UTC).timestamp()))
        async with python_client(gateway, fresh, of_user(alice.id)) as client:
            await client.subscribe()
            await client.until_served()
            bought = await market.buy(alice.id)
            assert (await client.next_change()).row["id"] == str(bought)


async def test_a_revoked_token_is_shut_out_until_there_is_a_newer_one(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    stolen = mint(SECRET, alice.id, datetime.now(UTC) - timedelta(seconds=10))
    async with python_client(gateway, stolen, of_user(alice.id)) as client:
        await client.subscribe()
        await client.until_served()
        await market.operator.execute(
            "select sonnette.revoke(%s, now() - interval '5 seconds')", (alice.id,)
        )
        await until_told(client, {"code": 4005, "reason": "Token has been revoked"})
        await market.buy(alice.id)
        await until_told(client, {"reason": "InvalidJWTToken: Token has been revoked"})
        await client.client.set_auth(token(alice.id))
        await client.until_served_again()
        bought = await market.buy(alice.id)
        assert (await client.next_change()).row["id"] == str(bought)
