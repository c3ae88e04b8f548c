"""An issuer of tokens as others run one: key pairs, tokens signed by them, and a served JWKS."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from process.settings import Address
from tests.served import served

PATH = "/.well-known/jwks.json"

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class SigningKey:
    """A key pair of the issuer's."""

    kid: str
    algorithm: str
    private: Private

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as it is published."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        public = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {
            **public,
            "kid": self.kid,
            "use": "sig",
            "alg": self.algorithm,
            "key_ops": ["verify"],
        }

    def sign(self, claims: object, **header: object) -> str:
        """A token with these claims; `header` adds to its header or replaces what is there."""
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(
            payload, self.private, self.algorithm, headers={"kid": self.kid, **header}
        )

    def token(self, user: UUID, issued_at: int, ttl_s: int = 3600) -> str:
        """A user's token."""
        return self.sign(
            {"sub": str(user), "role": "authenticated", "iat": issued_at, "exp": issued_at + ttl_s}
        )


@cache
def signing_key(kid: str, algorithm: str = "ES256") -> SigningKey:
    """The key of that name, the same in all tests of a session: RSA keys take long to make."""
    match algorithm:
        case "RS256":
            return SigningKey(kid, algorithm, rsa.generate_private_key(65537, 2048))
        case "ES256":
            return SigningKey(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        case _:
            return SigningKey(kid, algorithm, ed25519.Ed25519PrivateKey.generate())


def document(*keys: SigningKey) -> bytes:
    """The JWKS with these keys."""
    return json.dumps({"keys": [key.jwk for key in keys]}).encode()


class Issuer:
    """What the JWKS server answers, which a test may change at any time."""

    def __init__(self, address: Address, keys: Sequence[SigningKey]) -> None:
        self.url = address.url() + PATH
        self.status = 200
        self.body = document(*keys)
        self.asked = 0
        self.answers = asyncio.Event()  # a test may clear it: then they are held back
        self.answers.set()

    def publish(self, *keys: SigningKey) -> None:
        """These keys and no others from now on."""
        self.body = document(*keys)

    async def answer(self, _request: Request) -> Response:
        """One GET."""
        self.asked += 1
        await self.answers.wait()
        return Response(self.body, self.status, media_type="application/json")


@asynccontextmanager
async def issuer(*keys: SigningKey, address: Address | None = None) -> AsyncIterator[Issuer]:
    """A JWKS server that publishes these keys, for the length of a block."""
    found: list[Issuer] = []

    async def answer(request: Request) -> Response:
        return await found[0].answer(request)

    async with served(Starlette(routes=[Route(PATH, answer)]), address) as where:
        found.append(Issuer(where, keys))
        yield found[0]
