"""Tokens of other issuers: each algorithm by its published key, and every way to cheat with one."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from process.keys import ASK_AGAIN_AFTER, KeyRing, parse
from process.tokens import CannotVerify, Identity, TokenRefused, UnknownKey, Verifier, mint
from tests.issuer import SigningKey, document, signing_key

SECRET = "a secret of more than thirty-two bytes"
ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
IAT = int(NOW.timestamp())
CLAIMS = {"sub": str(ALICE), "role": "authenticated", "iat": IAT, "exp": IAT + 60}
ALGORITHMS = ["RS256", "ES256", "EdDSA"]
FORGED = ("JwtSignatureError", "Failed to validate JWT signature")
MALFORMED = ("MalformedJWT", "The token provided is not a valid JWT")
UNKNOWN = (
    "JwtSignerError",
    "Failed to generate JWT signer: no published key has the `kid` of this JWT",
)


def ring_of(*keys: SigningKey) -> KeyRing:
    """A ring that has just been asked, so that an unknown `kid` is no reason to ask again."""
    ring = KeyRing()
    ring.replace(parse(document(*keys)))
    ring.asked(NOW)
    return ring


def all_keys() -> list[SigningKey]:
    return [signing_key(algorithm, algorithm) for algorithm in ALGORITHMS]


def refusal(verifier: Verifier, token: str, now: datetime = NOW) -> tuple[str, str]:
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token, now)
    return refused.value.code, refused.value.reason


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_is_verified_by_its_published_key(
    algorithm: str, secret: str | None
) -> None:
    token = signing_key(algorithm, algorithm).sign(CLAIMS)
    assert Verifier(secret, ring_of(*all_keys())).verify(token, NOW) == Identity(
        ALICE, "authenticated", expires_at=NOW + timedelta(seconds=60), issued_at=NOW
    )


def test_both_a_secret_and_keys_may_be_in_use() -> None:
    verifier = Verifier(SECRET, ring_of(*all_keys()))
    assert verifier.verify(mint(SECRET, ALICE, NOW), NOW).user_id == ALICE
    named = jwt.PyJWS().encode(json.dumps(CLAIMS).encode(), SECRET, headers={"kid": "RS256"})
    assert verifier.verify(named, NOW).user_id == ALICE, "a `kid` is nothing to a secret"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_of_the_same_name_but_not_the_same_is_refused(algorithm: str) -> None:
    real, other = signing_key(algorithm, algorithm), signing_key("other", algorithm)
    token = SigningKey(real.kid, algorithm, other.private).sign(CLAIMS)
    assert refusal(Verifier(None, ring_of(real)), token) == FORGED


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_changed_claim_breaks_the_signature(algorithm: str) -> None:
    key = signing_key(algorithm, algorithm)
    header, _, signature = key.sign(CLAIMS).split(".")
    changed = f"{header}.{part({**CLAIMS, 'sub': str(UUID(int=1))})}.{signature}"
    assert refusal(Verifier(None, ring_of(key)), changed) == FORGED


def pem(key: SigningKey) -> bytes:
    return key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("as_secret", [pem, lambda key: json.dumps(key.jwk).encode()])
def test_a_public_key_is_never_taken_for_a_secret(
    algorithm: str, secret: str | None, as_secret: object
) -> None:
    """The old trick: sign by HMAC with what everybody can read."""
    key = signing_key(algorithm, algorithm)
    assert callable(as_secret)
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': key.kid})}.{part(CLAIMS)}"
    mac = hmac.digest(as_secret(key), signed.encode(), hashlib.sha256)
    token = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert refusal(Verifier(secret, ring_of(key)), token) == FORGED


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 7, [], {}])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_token_is_refused_whatever_key_it_names(
    algorithm: object, signature: str
) -> None:
    token = f"{part({'alg': algorithm, 'kid': 'RS256'})}.{part(CLAIMS)}.{signature}"
    assert refusal(Verifier(SECRET, ring_of(*all_keys())), token) == FORGED


@pytest.mark.parametrize(
    ("algorithm", "said"),
    [
        (own, said)
        for own in ALGORITHMS
        for said in [*ALGORITHMS, "PS256", "RS512", "ES384", "ES256K", "HS512"]
        if said != own
    ],
)
def test_a_key_verifies_no_algorithm_but_its_own(algorithm: str, said: str) -> None:
    _header, payload, signature = signing_key(algorithm, algorithm).sign(CLAIMS).split(".")
    renamed = f"{part({'alg': said, 'kid': algorithm})}.{payload}.{signature}"
    assert refusal(Verifier(SECRET, ring_of(*all_keys())), renamed) == FORGED


def test_without_keys_or_without_a_secret_the_other_kind_is_refused() -> None:
    token = signing_key("RS256", "RS256").sign(CLAIMS)
    assert refusal(Verifier(SECRET), token) == FORGED
    assert refusal(Verifier(None, ring_of(*all_keys())), mint(SECRET, ALICE, NOW)) == FORGED


def test_a_token_that_names_no_key_is_refused_although_there_is_but_one() -> None:
    key = signing_key("RS256", "RS256")
    unnamed = jwt.PyJWS().encode(json.dumps(CLAIMS).encode(), key.private, "RS256")
    assert refusal(Verifier(None, ring_of(key)), unnamed) == FORGED
    assert refusal(Verifier(None, ring_of(key)), key.sign(CLAIMS)[:-1]) == MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256", "kid": 7},
        {"alg": "RS256", "kid": None},
        {"alg": "RS256", "kid": "RS256", "crit": ["exp"]},
        {"alg": "RS256", "kid": "RS256", "b64": False},
        ["RS256"],
    ],
)
def test_a_header_that_cannot_be_is_malformed(header: object) -> None:
    token = f"{part(header)}.{part(CLAIMS)}.AAAA"
    assert refusal(Verifier(None, ring_of(*all_keys())), token) == MALFORMED


def test_a_key_that_the_token_brings_along_is_not_looked_at() -> None:
    real, other = signing_key("RS256", "RS256"), signing_key("other", "RS256")
    brought = {"jwk": other.jwk, "jku": "https://evil.example/", "x5u": "https://evil.example/"}
    token = SigningKey(real.kid, "RS256", other.private).sign(CLAIMS, **brought)
    assert refusal(Verifier(None, ring_of(real)), token) == FORGED


# --- a `kid` that is not known


def test_an_unknown_kid_is_a_reason_to_ask_but_not_at_every_token() -> None:
    ring = ring_of(signing_key("a"))
    verifier, token = Verifier(SECRET, ring), signing_key("b").sign(CLAIMS)
    assert refusal(verifier, token) == UNKNOWN
    later = NOW + ASK_AGAIN_AFTER
    with pytest.raises(UnknownKey):
        verifier.verify(token, later)
    ring.asked(later)
    assert refusal(verifier, token, later) == UNKNOWN


def test_a_kid_never_stands_in_a_reason() -> None:
    token = signing_key("a").sign(CLAIMS, kid="<script>")
    assert "script" not in refusal(Verifier(None, ring_of(signing_key("a"))), token)[1]


def test_before_the_keys_were_ever_fetched_nobody_can_say() -> None:
    ring = KeyRing()
    verifier, token = Verifier(None, ring), signing_key("a").sign(CLAIMS)
    with pytest.raises(UnknownKey):
        verifier.verify(token, NOW)
    ring.asked(NOW)
    with pytest.raises(CannotVerify, match="the keys cannot be fetched now; try again"):
        verifier.verify(token, NOW)


def test_an_old_key_verifies_as_long_as_it_is_published() -> None:
    ring = ring_of(signing_key("old"))
    verifier = Verifier(None, ring)
    of_old, of_new = signing_key("old").sign(CLAIMS), signing_key("new").sign(CLAIMS)
    ring.replace(parse(document(signing_key("old"), signing_key("new"))))
    assert verifier.verify(of_old, NOW) == verifier.verify(of_new, NOW)
    ring.replace(parse(document(signing_key("new"))))
    assert refusal(verifier, of_old) == UNKNOWN
    assert verifier.verify(of_new, NOW).user_id == ALICE


# --- the claims are judged as everywhere


def test_clocks_may_differ_by_a_little_at_nbf_and_by_nothing_at_exp() -> None:
    key = signing_key("RS256", "RS256")
    verifier = Verifier(None, ring_of(key))
    assert verifier.verify(key.sign({**CLAIMS, "nbf": IAT + 5}), NOW).user_id == ALICE
    early = refusal(verifier, key.sign({**CLAIMS, "nbf": IAT + 6}))
    assert early == ("InvalidJWTToken", "Token is not valid yet")
    token = key.sign(CLAIMS)
    assert verifier.verify(token, NOW + timedelta(seconds=59.9)).user_id == ALICE
    assert refusal(verifier, token, NOW + timedelta(seconds=60)) == (
        "InvalidJWTToken",
        "Token has expired 0 seconds ago",
    )


def test_an_issuer_whose_clock_is_ahead_is_believed_its_iat() -> None:
    key = signing_key("RS256", "RS256")
    token = key.sign({**CLAIMS, "iat": IAT + 30})
    issued_at = Verifier(None, ring_of(key)).verify(token, NOW).issued_at
    assert issued_at == NOW + timedelta(seconds=30)


@given(st.text(max_size=40), st.sampled_from(["", "AAAA", "é"]))
def test_any_header_is_refused_and_nothing_else_is_raised(text: str, signature: str) -> None:
    header = base64.urlsafe_b64encode(text.encode("utf-8", "replace")).rstrip(b"=").decode()
    refusal(Verifier(SECRET, ring_of(signing_key("a"))), f"{header}.{part(CLAIMS)}.{signature}")
