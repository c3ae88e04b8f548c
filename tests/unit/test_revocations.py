"""Revoked tokens: which ones they are, and that nobody is let in before it can be said."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest

from process.revocations import Revocations
from process.tokens import CannotVerify, TokenRefused, Verifier, mint

SECRET = "a secret of more than thirty-two bytes"
ALICE = UUID("a11ce000-0000-4000-8000-000000000001")
BOB = UUID("b0b00000-0000-4000-8000-000000000002")
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def revocations(**not_before: datetime) -> Revocations:
    known = Revocations()
    known.replace(
        (str(user), not_before[name]) for name, user in USERS.items() if name in not_before
    )
    return known


USERS = {"alice": ALICE, "bob": BOB}


def verified(token: str, known: Revocations) -> UUID | None:
    return Verifier(SECRET, revocations=known).verify(token, NOW).user_id


def signed(**claims: object) -> str:
    payload = {"sub": str(ALICE), "role": "authenticated", "exp": int(NOW.timestamp()) + 60}
    return jwt.PyJWS().encode(json.dumps({**payload, **claims}).encode(), SECRET)


def test_a_token_issued_before_the_revocation_is_refused_and_a_newer_one_is_not() -> None:
    token = mint(SECRET, ALICE, NOW)
    assert verified(token, revocations(alice=NOW)) == ALICE
    with pytest.raises(TokenRefused) as refused:
        verified(token, revocations(alice=NOW + timedelta(microseconds=1)))
    assert (refused.value.code, refused.value.reason) == (
        "InvalidJWTToken",
        "Token has been revoked",
    )


def test_only_the_user_named_is_concerned() -> None:
    known = revocations(alice=NOW + SECOND)
    assert verified(mint(SECRET, BOB, NOW), known) == BOB
    assert verified(mint(SECRET, ALICE, NOW, role="service_role"), known) is None


@pytest.mark.parametrize("iat", [None, "yesterday", True, [], 10**30])
def test_a_token_that_does_not_say_from_when_it_is_is_refused_once_there_is_a_revocation(
    iat: object,
) -> None:
    token = signed(iat=iat)
    assert verified(token, revocations()) == ALICE
    with pytest.raises(TokenRefused, match="Token has been revoked"):
        verified(token, revocations(alice=NOW - timedelta(days=999)))


def test_before_the_revocations_have_been_read_nobody_is_let_in() -> None:
    with pytest.raises(CannotVerify) as refused:
        verified(mint(SECRET, ALICE, NOW), Revocations())
    assert (refused.value.code, refused.value.reason) == (
        "RealtimeRestarting",
        "the revocations have not been read yet; try again",
    )


def test_a_forged_token_learns_nothing_of_revocations() -> None:
    with pytest.raises(TokenRefused, match="Failed to validate JWT signature"):
        verified(mint(SECRET[::-1], ALICE, NOW), revocations(alice=NOW + SECOND))


def test_the_version_grows_with_what_is_new_and_with_nothing_else() -> None:
    known = Revocations()
    known.replace([])
    assert (known.known, known.version) == (True, 0)
    known.add([("alice", NOW)])
    known.add([("alice", NOW)])
    known.add([])
    assert known.version == 1
    known.add([("alice", NOW + SECOND), ("bob", NOW)])
    assert known.version == 2
    known.replace([("alice", NOW + SECOND), ("bob", NOW)])
    assert known.version == 2
    known.replace([("bob", NOW)])
    assert known.version == 3
    assert not known.cover("alice", None)
    assert known.cover("bob", None)
