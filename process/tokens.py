"""Who a JWT speaks for: verified by Sonnette's own secret, refused in the words that clients know.

Pure: `now` is an argument and nothing is fetched. Two steps, so that other keys can be added: the
signature gives trusted bytes, the claims give an Identity. The reasons are those of the Supabase
Realtime protocol, which its clients show to their users; no reason ever repeats the token.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import jwt
import msgspec

from process.values import MIN_SECRET_BYTES

ALGORITHM = "HS256"
NOT_BEFORE_LEEWAY_S = 5  # an issuer's clock may be a little ahead of ours
ROLES_WITHOUT_USER = frozenset({"anon", "service_role"})

EXPIRED = "Token has expired {} seconds ago"
INCOMPLETE = "Fields `role` and `exp` are required in JWT"
EXPIRY_INVALID = "Token expiration time is invalid"
NOT_YET_VALID = "Token is not valid yet"
SUBJECT_INVALID = "Field `sub` must be a uuid in JWT"
MALFORMED = "The token provided is not a valid JWT"
SIGNATURE_INVALID = "Failed to validate JWT signature"


class TokenRefused(Exception):
    """The token proves nothing. `reason` is a sentence for the client, `code` its protocol name."""

    def __init__(self, reason: str, code: str = "InvalidJWTToken") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(frozen=True)
class Identity:
    """Who speaks, and until when. `user_id` is None for the roles `anon` and `service_role`."""

    user_id: UUID | None
    role: str
    expires_at: datetime


class Verifier:
    """Verifies HS256 tokens signed by `secret`, which has at least 32 bytes (RFC 7518 3.2)."""

    def __init__(self, secret: str) -> None:
        self._key = _key(secret)
        # Only this algorithm exists for the verifier: `alg: none` finds nobody to accept it.
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])

    def verify(self, token: str, now: datetime) -> Identity:
        """The identity that `token` proves at `now` (aware), or TokenRefused."""
        return _identity(_claims(self._signed_payload(token)), now)

    def _signed_payload(self, token: str) -> bytes:
        try:
            payload: bytes = self._jws.decode(token, self._key, algorithms=[ALGORITHM])
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            raise TokenRefused(SIGNATURE_INVALID, "JwtSignatureError") from None
        except (jwt.InvalidTokenError, UnicodeEncodeError):
            raise TokenRefused(MALFORMED, "MalformedJWT") from None
        return payload


def mint(
    secret: str, user_id: UUID, now: datetime, ttl_s: int = 3600, role: str = "authenticated"
) -> str:
    """A token for `user_id`, valid for `ttl_s` seconds from `now` (aware)."""
    issued_at = int(now.timestamp())
    claims = {"sub": str(user_id), "role": role, "iat": issued_at, "exp": issued_at + ttl_s}
    return jwt.PyJWS().encode(msgspec.json.encode(claims), _key(secret), ALGORITHM)


class _Claims(msgspec.Struct):
    """RFC 7519 section 4.1, as received: any JSON value may stand in any of them."""

    sub: object = None
    role: object = None
    exp: object = None
    nbf: object = None


def _key(secret: str) -> bytes:
    key = secret.encode()
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"a JWT secret must have at least {MIN_SECRET_BYTES} bytes")
    return key


def _claims(payload: bytes) -> _Claims:
    try:
        return msgspec.json.decode(payload, type=_Claims)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefused(MALFORMED, "MalformedJWT") from None


def _identity(claims: _Claims, now: datetime) -> Identity:
    if claims.exp is None or not isinstance(claims.role, str) or not claims.role:
        raise TokenRefused(INCOMPLETE)
    expires_at = _numeric_date(claims.exp)
    if now >= expires_at:  # RFC 7519 4.1.4: "on or after"; no leeway, or it could be rejoined with
        raise TokenRefused(EXPIRED.format(int((now - expires_at).total_seconds())))
    if claims.nbf is not None:
        early_s = (_numeric_date(claims.nbf) - now).total_seconds()
        if early_s > NOT_BEFORE_LEEWAY_S:
            raise TokenRefused(NOT_YET_VALID)
    return Identity(_user_id(claims), claims.role, expires_at)


def _numeric_date(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(EXPIRY_INVALID)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        raise TokenRefused(EXPIRY_INVALID) from None


def _user_id(claims: _Claims) -> UUID | None:
    if claims.role in ROLES_WITHOUT_USER:
        return None
    try:
        user_id = UUID(claims.sub) if isinstance(claims.sub, str) else None
    except ValueError:
        user_id = None
    # UUID() also takes braces and `urn:uuid:`, which no feed is named by.
    if user_id is None or str(user_id) != str(claims.sub).lower():
        raise TokenRefused(SUBJECT_INVALID)
    return user_id
