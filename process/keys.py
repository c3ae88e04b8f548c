"""The public keys by which others' tokens are verified: a JWKS document (RFC 7517), parsed.

Pure. Each key is pinned to the one algorithm of its type, whatever a token's header says: RSA to
RS256, P-256 to ES256, Ed25519 to EdDSA. What could not or must not verify (a symmetric key, a
private one, one for encryption, a short one, one without a `kid`) is left out, and `skipped` says
why. `KeyRing` is what is published now, and when it may be asked for more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm

RSA_BITS = range(2048, 8193)  # RFC 7518 section 3.3; a longer one costs more than it protects
MAX_KEYS = 100
# A `kid` that nobody has seen is a reason to fetch, but whoever likes can make them up.
ASK_AGAIN_AFTER = timedelta(seconds=5)

_ALGORITHMS: Mapping[tuple[str, str | None], str] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
ALGORITHMS = tuple(_ALGORITHMS.values())


class BadKeys(Exception):
    """The document is no JWKS or has no usable key; the sentence says what is wrong."""


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies tokens of `algorithm` and no other."""

    kid: str
    algorithm: str
    key: jwt.PyJWK


@dataclass(frozen=True)
class Keys:
    """A document's usable keys by `kid`; `skipped` is a sentence for each other one."""

    by_kid: Mapping[str, PublicKey]
    skipped: Sequence[str]


class KeyRing:
    """The keys that are published now, as far as they are known."""

    def __init__(self) -> None:
        self._by_kid: Mapping[str, PublicKey] | None = None
        self._asked_at: datetime | None = None

    @property
    def known(self) -> bool:
        """Whether any document has been read yet."""
        return self._by_kid is not None

    def replace(self, keys: Keys) -> None:
        """A newer document: what is no longer in it verifies nothing any more."""
        self._by_kid = keys.by_kid

    def find(self, kid: str) -> PublicKey | None:
        """The key of that name."""
        return (self._by_kid or {}).get(kid)

    def asked(self, now: datetime) -> None:
        """The document was just asked for because of an unknown `kid`, with or without success."""
        self._asked_at = now

    def may_ask(self, now: datetime) -> bool:
        """Whether an unknown `kid` is worth a look at the document at `now`."""
        # abs: a clock that was put back must not forbid it for as long.
        return self._asked_at is None or abs(now - self._asked_at) >= ASK_AGAIN_AFTER


def parse(document: bytes) -> Keys:
    """The keys of a JWKS document, or BadKeys. Of two with one `kid` the first counts."""
    try:
        parts = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadKeys("what it names is no JWKS, which is a JSON object with `keys`") from None
    by_kid: dict[str, PublicKey] = {}
    skipped = [f"the keys after the first {MAX_KEYS}"] if len(parts) > MAX_KEYS else []
    for number, part in enumerate(parts[:MAX_KEYS], start=1):
        try:
            key = _key(part)
            if key.kid in by_kid:
                raise BadKeys("its `kid` is another key's, too")
            by_kid[key.kid] = key
        except BadKeys as bad:
            skipped.append(f"key {number}: {bad}")
    if not by_kid:
        # An issuer without a key could sign nothing: a mistake of its, and no withdrawal of all.
        raise BadKeys("; ".join(["there is no key in it that could verify a token", *skipped]))
    return Keys(by_kid, skipped)


class _Document(msgspec.Struct):
    keys: list[msgspec.Raw]


class _Jwk(msgspec.Struct):
    """RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2."""

    kty: str
    kid: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    alg: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None
    d: object = None


def _key(part: msgspec.Raw) -> PublicKey:
    try:
        jwk = msgspec.json.decode(part, type=_Jwk)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadKeys("it is no JWK") from None
    if not jwk.kid:
        raise BadKeys("it has no `kid`")
    algorithm = _algorithm(jwk)
    return PublicKey(jwk.kid, algorithm, _loaded(jwk, algorithm))


def _algorithm(jwk: _Jwk) -> str:
    if jwk.d is not None:
        raise BadKeys("it is a private key, with which anybody could sign")
    if jwk.use not in (None, "sig") or "verify" not in (jwk.key_ops or ["verify"]):
        raise BadKeys("it is not for signatures")
    algorithm = _ALGORITHMS.get((jwk.kty, jwk.crv))
    if algorithm is None:
        raise BadKeys("it is none of RSA, P-256 and Ed25519")
    if jwk.alg not in (None, algorithm):
        raise BadKeys(f"it is not for {algorithm}")
    return algorithm


def _loaded(jwk: _Jwk, algorithm: str) -> jwt.PyJWK:
    members = {name: getattr(jwk, name) for name in ("kty", "crv", "n", "e", "x", "y")}
    stated = {name: value for name, value in members.items() if value is not None}
    try:
        key = jwt.PyJWK(stated, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKeys(f"it is no {algorithm} key") from None
    if algorithm == "RS256" and key.key.key_size not in RSA_BITS:
        raise BadKeys(f"an RSA key has {RSA_BITS[0]} to {RSA_BITS[-1]} bits")
    return key
