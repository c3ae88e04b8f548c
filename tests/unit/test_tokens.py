"""Tokens: what proves a user, and the sentence for each one that does not."""

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from process.tokens import Identity, TokenRefused, Verifier, mint

SECRET = "a secret of more than thirty-two bytes"
OTHER_SECRET = "b secret of more than thirty-two bytes"
ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
EXP = int(NOW.timestamp()) + 60

verifier = Verifier(SECRET)


def signed(claims: object, secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.PyJWS().encode(json.dumps(claims).encode(), secret.encode(), algorithm)


def refusal(token: str, now: datetime = NOW) -> tuple[str, str]:
    with pytest.raises(TokenRefused) as refused:
        verifier.verify(token, now)
    assert str(refused.value) == refused.value.reason
    return refused.value.code, refused.value.reason


def test_a_minted_token_proves_its_user_until_it_expires() -> None:
    token = mint(SECRET, ALICE, NOW, ttl_s=60)
    assert verifier.verify(token, NOW) == Identity(
        ALICE, "authenticated", expires_at=NOW + timedelta(seconds=60), issued_at=NOW
    )


def test_a_minted_token_carries_just_the_documented_claims() -> None:
    token = mint(SECRET, ALICE, NOW)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})
    issued_at = int(NOW.timestamp())
    assert claims == {
        "sub": str(ALICE),
        "role": "authenticated",
        "iat": issued_at,
        "exp": issued_at + 3600,
    }


def test_the_last_moment_is_before_exp() -> None:
    token = mint(SECRET, ALICE, NOW, ttl_s=60)
    verifier.verify(token, NOW + timedelta(seconds=59.999))
    assert refusal(token, NOW + timedelta(seconds=60))[1] == "Token has expired 0 seconds ago"


def test_an_expired_token_says_since_when() -> None:
    token = mint(SECRET, ALICE, NOW, ttl_s=60)
    assert refusal(token, NOW + timedelta(seconds=72)) == (
        "InvalidJWTToken",
        "Token has expired 12 seconds ago",
    )


def test_a_forged_token_is_refused() -> None:
    assert refusal(mint(OTHER_SECRET, ALICE, NOW)) == (
        "JwtSignatureError",
        "Failed to validate JWT signature",
    )


def test_an_unsigned_token_is_refused() -> None:
    claims = {"sub": str(ALICE), "role": "authenticated", "exp": EXP}
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert refusal(unsigned) == ("JwtSignatureError", "Failed to validate JWT signature")
    borrowed = unsigned + mint(SECRET, ALICE, NOW).rpartition(".")[2]
    assert refusal(borrowed)[1] == "Failed to validate JWT signature"


def test_another_algorithm_is_refused_even_with_the_right_secret() -> None:
    secret = SECRET * 2
    token = signed({"sub": str(ALICE), "role": "authenticated", "exp": EXP}, secret, "HS512")
    with pytest.raises(TokenRefused, match="Failed to validate JWT signature"):
        Verifier(secret).verify(token, NOW)


def test_a_changed_claim_breaks_the_signature() -> None:
    header, _, signature = mint(SECRET, ALICE, NOW).split(".")
    other = json.dumps({"sub": str(UUID(int=1)), "role": "authenticated", "exp": EXP}).encode()
    payload = base64.urlsafe_b64encode(other).rstrip(b"=").decode()
    assert refusal(f"{header}.{payload}.{signature}")[0] == "JwtSignatureError"


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "....", "\ud800.a.b", "é.é.é", "eyJhbGciOiJIUzI1NiJ9..", "\0"],
)
def test_what_is_no_jwt_is_refused_as_such(token: str) -> None:
    assert refusal(token)[0] in {"MalformedJWT", "JwtSignatureError"}


@given(st.text(max_size=80))
def test_any_text_is_refused_and_nothing_else_is_raised(token: str) -> None:
    refusal(token)


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b'"text"', b"{", b"\xff", b"[" * 5000])
def test_a_signed_payload_that_is_no_object_is_malformed(payload: bytes) -> None:
    token = jwt.PyJWS().encode(payload, SECRET.encode(), "HS256")
    assert refusal(token) == ("MalformedJWT", "The token provided is not a valid JWT")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": str(ALICE), "exp": EXP},
        {"sub": str(ALICE), "role": "authenticated"},
        {"sub": str(ALICE), "role": "", "exp": EXP},
        {"sub": str(ALICE), "role": 7, "exp": EXP},
        {"sub": str(ALICE), "role": "authenticated", "exp": None},
    ],
)
def test_role_and_exp_are_required(claims: dict[str, object]) -> None:
    assert refusal(signed(claims))[1] == "Fields `role` and `exp` are required in JWT"


@pytest.mark.parametrize("exp", ["soon", "1767268860", True, [], {}, 10**30, -(10**30)])
def test_an_expiry_that_is_no_time_is_refused(exp: object) -> None:
    token = signed({"sub": str(ALICE), "role": "authenticated", "exp": exp})
    assert refusal(token)[1] == "Token expiration time is invalid"


@pytest.mark.parametrize("sub", [None, "", "alice", 7, [str(ALICE)], f"{{{ALICE}}}", ALICE.hex])
def test_a_user_is_named_by_a_uuid(sub: object) -> None:
    claims = {"sub": sub, "role": "authenticated", "exp": EXP}
    assert refusal(signed(claims))[1] == "Field `sub` must be a uuid in JWT"


def test_a_uuid_in_capitals_is_the_same_user() -> None:
    token = signed({"sub": str(ALICE).upper(), "role": "authenticated", "exp": EXP})
    assert verifier.verify(token, NOW).user_id == ALICE


@pytest.mark.parametrize("role", ["anon", "service_role"])
def test_the_roles_without_a_user_have_none(role: str) -> None:
    assert verifier.verify(signed({"role": role, "exp": EXP}), NOW).user_id is None
    named = signed({"role": role, "exp": EXP, "sub": str(ALICE)})
    assert verifier.verify(named, NOW).user_id is None


def test_what_other_issuers_add_does_no_harm() -> None:
    claims = {"sub": str(ALICE), "role": "authenticated", "exp": EXP + 0.5, "aud": "authenticated"}
    claims |= {"iss": "elsewhere", "iat": EXP, "app_metadata": {"provider": "email"}}
    assert verifier.verify(signed(claims), NOW).user_id == ALICE


def test_a_token_for_later_is_refused_but_a_clock_slightly_ahead_is_not() -> None:
    claims = {"sub": str(ALICE), "role": "authenticated", "exp": EXP}
    early = int(NOW.timestamp())
    verifier.verify(signed({**claims, "nbf": early + 5}), NOW)
    assert refusal(signed({**claims, "nbf": early + 6}))[1] == "Token is not valid yet"


def test_a_short_secret_is_refused_on_both_sides() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Verifier("short")
    with pytest.raises(ValueError, match="at least 32 bytes"):
        mint("short", ALICE, NOW)
