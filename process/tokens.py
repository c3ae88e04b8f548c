"""Who a JWT speaks for: verified by our secret or by a published key, or refused with a reason.

Pure: `now` is an argument and nothing is fetched; where a key might have to be, UnknownKey says so.
Two steps: the signature gives trusted bytes, the claims give an Identity. The reasons are those of
the Supabase Realtime protocol, which its clients show to their users; none repeats the token.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import jwt
import msgspec

from process.keys import ALGORITHMS, KeyRing, PublicKey
from process.revocations import Revocations
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
KEY_UNKNOWN = "Failed to generate JWT signer: no published key has the `kid` of this JWT"
KEYS_AWAY = "Failed to generate JWT signer: the keys cannot be fetched now; try again"
REVOKED = "Token has been revoked"
REVOCATIONS_AWAY = "the revocations have not been read yet; try again"


class TokenRefused(Exception):
    """The token proves nothing. `reason` is a sentence for the client, `code` its protocol name."""

    def __init__(self, reason: str, code: str = "InvalidJWTToken") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class CannotVerify(TokenRefused):
    """What proves or disproves the token is not known here yet; later it may be."""


class UnknownKey(Exception):
    """The token names a key that may have been published since: fetch, and verify again."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks, and until when. `user_id` is None for the roles `anon` and `service_role`.

    `issued_at` is None where the token does not say.
    """

    user_id: UUID | None
    role: str
    expires_at: datetime
    issued_at: datetime | None


class Verifier:
    """Verifies tokens by what is given: HS256 by `secret`, RS256, ES256 and EdDSA by `ring`.

    `secret` has at least 32 bytes (RFC 7518 3.2). Without `revocations` none are looked at.
    """

    def __init__(
        self,
        secret: str | None,
        ring: KeyRing | None = None,
        revocations: Revocations | None = None,
    ) -> None:
        self._secret = None if secret is None else _key(secret)
        self._ring = ring
        self._revocations = revocations
        # No other algorithm exists for the verifier: `alg: none` finds nobody to accept it.
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM, *ALGORITHMS])

    def verify(self, token: str, now: datetime) -> Identity:
        """The identity that `token` proves at `now` (aware); TokenRefused or UnknownKey."""
        identity = _identity(_claims(self._signed_payload(token, now)), now)
        if self._revocations is not None and identity.user_id is not None:
            if not self._revocations.known:
                raise CannotVerify(REVOCATIONS_AWAY, "RealtimeRestarting")
            if self.revoked(str(identity.user_id), identity.issued_at):
                raise TokenRefused(REVOKED)
        return identity

    def revoked(self, user_id: str | None, issued_at: datetime | None) -> bool:
        """Whether a token that was good has been taken back since. Without a user none can be."""
        if self._revocations is None or user_id is None:
            return False
        return self._revocations.cover(user_id, issued_at)

    def _signed_payload(self, token: str, now: datetime) -> bytes:
        try:
            key, algorithm = self._key_of(token, now)
            payload: bytes = self._jws.decode(token, key, algorithms=[algorithm])
        except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
            raise _forged() from None
        except (jwt.InvalidTokenError, UnicodeEncodeError):
            raise TokenRefused(MALFORMED, "MalformedJWT") from None
        return payload

    def _key_of(self, token: str, now: datetime) -> tuple[bytes | jwt.PyJWK, str]:
        if self._ring is None and self._secret is not None:
            return self._secret, ALGORITHM  # no choice: no need to take the token apart twice
        header = self._jws.get_unverified_header(token)
        return self._key_for(header.get("alg"), header.get("kid"), now)

    def _key_for(
        self, algorithm: object, kid: str | None, now: datetime
    ) -> tuple[bytes | jwt.PyJWK, str]:
        """The key, and the one algorithm that it verifies: never the token's own choice of both."""
        if algorithm == ALGORITHM and self._secret is not None:
            return self._secret, ALGORITHM
        if algorithm in ALGORITHMS and self._ring is not None and kid is not None:
            found = _published(self._ring, kid, now)
            if found.algorithm == algorithm:
                return found.key, found.algorithm
        raise _forged()


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
    iat: object = None


def _published(ring: KeyRing, kid: str, now: datetime) -> PublicKey:
    found = ring.find(kid)
    if found is not None:
        return found
    if ring.may_ask(now):
        raise UnknownKey
    if not ring.known:
        raise CannotVerify(KEYS_AWAY, "JwtSignerError")
    raise TokenRefused(KEY_UNKNOWN, "JwtSignerError")


def _forged() -> TokenRefused:
    return TokenRefused(SIGNATURE_INVALID, "JwtSignatureError")


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
    return Identity(_user_id(claims), claims.role, expires_at, _issued_at(claims))


def _issued_at(claims: _Claims) -> datetime | None:
    try:
        return None if claims.iat is None else _numeric_date(claims.iat)
    except TokenRefused:
        return None  # only a revocation asks for it, and then refuses what has none


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
