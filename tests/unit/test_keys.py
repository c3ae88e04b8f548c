"""A JWKS document: which of its keys verify what, which are left out, and why."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from process.keys import ASK_AGAIN_AFTER, BadKeys, KeyRing, parse
from tests.issuer import SigningKey, document, signing_key

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
GOOD = signing_key("good")


def jwks(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_key_is_pinned_to_the_algorithm_of_its_type(algorithm: str) -> None:
    jwk = signing_key("one", algorithm).jwk
    for optional in ([], ["alg"], ["use"], ["key_ops"], ["alg", "use", "key_ops"]):
        shorter = {name: value for name, value in jwk.items() if name not in optional}
        keys = parse(jwks(shorter))
        assert (keys.by_kid["one"].algorithm, keys.skipped) == (algorithm, [])


def test_what_else_an_issuer_says_of_a_key_does_no_harm() -> None:
    jwk = {**GOOD.jwk, "x5c": ["MII"], "x5t": "abc", "issuer": {"any": "thing"}}
    assert list(parse(jwks(jwk)).by_kid) == ["good"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"kid": None}, "it has no `kid`"),
        ({"kid": ""}, "it has no `kid`"),
        ({"kid": 7}, "it is no JWK"),
        ({"kty": None}, "it is no JWK"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "it is none of RSA, P-256 and Ed25519"),
        ({"crv": "P-384"}, "it is none of RSA, P-256 and Ed25519"),
        ({"crv": None}, "it is none of RSA, P-256 and Ed25519"),
        ({"use": "enc"}, "it is not for signatures"),
        ({"key_ops": ["encrypt"]}, "it is not for signatures"),
        ({"alg": "ES512"}, "it is not for ES256"),
        ({"alg": "HS256"}, "it is not for ES256"),
        ({"d": "AQAB"}, "it is a private key, with which anybody could sign"),
        ({"x": None}, "it is no ES256 key"),
        ({"x": "AAAA"}, "it is no ES256 key"),
        ({"x": "é"}, "it is no ES256 key"),
        ({"x": GOOD.jwk["y"]}, "it is no ES256 key"),
        ({"kid": "good"}, "its `kid` is another key's, too"),
    ],
)
def test_a_key_that_must_not_verify_is_left_out_and_the_others_count(
    changed: dict[str, object], why: str
) -> None:
    odd = {**signing_key("odd").jwk, **changed}
    given_ones = {name: value for name, value in odd.items() if value is not None}
    keys = parse(jwks(GOOD.jwk, given_ones))
    assert list(keys.by_kid) == ["good"]
    assert keys.skipped == [f"key 2: {why}"]


def test_an_rsa_key_is_neither_short_nor_of_another_algorithm() -> None:
    short = SigningKey("short", "RS256", rsa.generate_private_key(65537, 1024)).jwk  # noqa: S505
    odd = {**signing_key("rsa", "RS256").jwk, "alg": "PS256"}
    keys = parse(jwks(short, odd, GOOD.jwk))
    assert keys.skipped == ["key 1: an RSA key has 2048 to 8192 bits", "key 2: it is not for RS256"]


@pytest.mark.parametrize("part", [None, 7, "text", [], {"keys": []}])
def test_what_is_no_key_at_all_is_left_out(part: object) -> None:
    assert parse(jwks(part, GOOD.jwk)).skipped == ["key 1: it is no JWK"]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"null", b"[]", b"{}", b'{"keys":{}}', b'{"keys":7}', b"\xff", b"[" * 9999]
)
def test_what_is_no_jwks_is_refused(text: bytes) -> None:
    with pytest.raises(BadKeys, match="what it names is no JWKS"):
        parse(text)


def test_a_document_without_a_usable_key_is_refused_and_says_why() -> None:
    with pytest.raises(BadKeys, match=r"there is no key in it that could verify a token$"):
        parse(jwks())
    with pytest.raises(BadKeys, match=r"; key 1: it is no JWK$"):
        parse(jwks(None))


def test_a_document_has_no_more_keys_than_anybody_needs() -> None:
    keys = parse(jwks(*[{**GOOD.jwk, "kid": str(number)} for number in range(101)]))
    assert len(keys.by_kid) == 100
    assert keys.skipped == ["the keys after the first 100"]


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=9,
)
_fields = ["kty", "kid", "use", "key_ops", "alg", "crv", "n", "e", "x", "y", "d"]


@given(st.dictionaries(st.sampled_from(_fields), _json | st.sampled_from(["RSA", "EC", "OKP"])))
def test_any_key_is_taken_or_left_out_and_nothing_else_is_raised(odd: dict[str, object]) -> None:
    assert "good" in parse(jwks(GOOD.jwk, odd)).by_kid


def test_a_ring_knows_what_was_published_last() -> None:
    def known(ring: KeyRing) -> tuple[bool, list[str]]:
        return ring.known, [kid for kid in "abc" if ring.find(kid)]

    ring = KeyRing()
    assert known(ring) == (False, [])
    ring.replace(parse(document(signing_key("a"), signing_key("b"))))
    assert known(ring) == (True, ["a", "b"])
    ring.replace(parse(document(signing_key("b"), signing_key("c"))))
    assert known(ring) == (True, ["b", "c"])


def test_a_ring_may_be_asked_now_and_then() -> None:
    ring = KeyRing()
    assert ring.may_ask(NOW)
    ring.asked(NOW)
    assert not ring.may_ask(NOW + ASK_AGAIN_AFTER - timedelta(milliseconds=1))
    assert ring.may_ask(NOW + ASK_AGAIN_AFTER)
    assert ring.may_ask(NOW - timedelta(hours=1)), "the clock was put back"
