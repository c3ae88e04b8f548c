"""A socket whose tokens come from elsewhere, or are taken back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.hub import Hub
from gateway.session import ANSWER_LIMIT_S
from process.keys import KeyRing, parse
from process.revocations import Revocations
from process.tokens import UnknownKey, Verifier
from tests.issuer import document, signing_key
from tests.unit.gateway_parts import (
    ALICE,
    BOB,
    NOW,
    SECRET,
    TOPIC,
    Client,
    Feeds,
    activations,
    claims_token,
    joined,
    role_token,
    token,
)

ISSUED_AT = int(NOW.timestamp())
OLD, NEW = signing_key("old"), signing_key("new")
LATER = NOW + timedelta(seconds=1)
REVOKED = (4005, "Token has been revoked")


def issued(user: str = ALICE) -> str:
    return NEW.token(UUID(user), ISSUED_AT)


@pytest.fixture
def ring() -> KeyRing:
    """Published: OLD."""
    ring = KeyRing()
    ring.replace(parse(document(OLD)))
    return ring


def publish(ring: KeyRing) -> None:
    """What a fetch finds."""
    ring.replace(parse(document(OLD, NEW)))
    ring.asked(NOW)


@pytest.fixture
def trusting(hub: Hub, ring: KeyRing) -> Client:
    """A socket of a gateway that knows published keys alone."""
    return Client(hub, verifier=Verifier(None, ring))


# --- an unknown key


def test_a_join_with_an_unknown_key_waits_and_is_then_served(
    trusting: Client, ring: KeyRing, hub: Hub, feeds: Feeds
) -> None:
    with pytest.raises(UnknownKey):
        trusting.join(activations(), access_token=issued())
    assert (trusting.take(), hub.users) == ([], 0)
    publish(ring)
    trusting.join(activations(), access_token=issued())
    feeds.turn(hub)
    assert trusting.events() == ["phx_reply", "system"]


def test_a_join_whose_key_is_not_published_after_all_is_refused_with_the_reason(
    trusting: Client, ring: KeyRing
) -> None:
    ring.asked(NOW)
    trusting.join(activations(), access_token=issued())
    assert trusting.refusal() == (
        "JwtSignerError: Failed to generate JWT signer: no published key has the `kid` of this JWT"
    )


def test_a_refresh_with_an_unknown_key_leaves_the_channel_as_it_is_meanwhile(
    trusting: Client, ring: KeyRing, hub: Hub, feeds: Feeds
) -> None:
    trusting.join(activations(), access_token=OLD.token(UUID(ALICE), ISSUED_AT, ttl_s=60))
    feeds.turn(hub)
    trusting.take()
    renewed = {"access_token": issued()}
    with pytest.raises(UnknownKey):
        trusting.say("access_token", renewed)
    feeds.add()
    hub.mark_all()
    feeds.turn(hub)
    assert trusting.changes() == [([1], 1, 0)]
    publish(ring)
    trusting.say("access_token", renewed)
    trusting.session.expire(ISSUED_AT + 61)
    assert trusting.take() == [], "the newer token counts"


def test_the_wait_for_keys_counts_as_time_in_which_the_client_waits(
    trusting: Client, ring: KeyRing
) -> None:
    publish(ring)
    frame = f'["1","1","{TOPIC}","phx_join",{{"access_token":"{issued()}",'
    frame += '"config":{"postgres_changes":[{"event":"*","schema":"public","table":"wallets"}]}}]'
    trusting.session.receive(frame, LATER, came_at=NOW)
    trusting.session.expire(ISSUED_AT + ANSWER_LIMIT_S)
    assert trusting.refusal().startswith("UnableToConnectToProject")


def test_other_frames_never_wait_for_a_key(trusting: Client) -> None:
    trusting.say("heartbeat", {}, "phoenix")
    trusting.say("access_token", {"access_token": issued()})
    trusting.say("phx_leave", {})
    assert trusting.events() == ["phx_reply", "phx_reply"]


# --- a token that is taken back


@pytest.fixture
def revocations() -> Revocations:
    """None yet."""
    known = Revocations()
    known.replace([])
    return known


@pytest.fixture
def guarded(hub: Hub, revocations: Revocations) -> Client:
    """A socket of a gateway that reads revocations."""
    return Client(hub, verifier=Verifier(SECRET, revocations=revocations))


def failure(client: Client) -> tuple[int, str]:
    [frame] = client.take()
    assert frame["event"] == "phx_error"
    return frame["payload"]["code"], frame["payload"]["reason"]


def test_a_revoked_token_ends_its_channel_and_the_socket(
    guarded: Client, revocations: Revocations, hub: Hub, feeds: Feeds
) -> None:
    joined(guarded, hub, feeds)
    assert not guarded.session.end_revoked()
    revocations.add([(ALICE, LATER)])
    assert guarded.session.end_revoked()
    assert failure(guarded) == REVOKED
    assert hub.users == 0
    assert not guarded.session.end_revoked(), "it is said once"


def test_a_token_issued_since_stays(
    guarded: Client, revocations: Revocations, hub: Hub, feeds: Feeds
) -> None:
    joined(guarded, hub, feeds)
    revocations.add([(ALICE, NOW), (BOB, LATER)])
    assert not guarded.session.end_revoked()


def test_only_the_channels_of_that_token_fail(
    guarded: Client, revocations: Revocations, hub: Hub, feeds: Feeds
) -> None:
    joined(guarded, hub, feeds)
    guarded.join(activations(), topic="realtime:2", access_token=token(BOB))
    guarded.join(
        activations(filter=f"user_id=eq.{ALICE}"),
        topic="realtime:3", access_token=role_token("service_role"),
    )  # fmt: skip
    feeds.turn(hub)
    guarded.take()
    revocations.add([(ALICE, LATER)])
    assert guarded.session.end_revoked()
    assert failure(guarded) == REVOKED
    assert sorted(guarded.session.channels) == ["realtime:2", "realtime:3"]


def test_a_token_that_does_not_say_from_when_it_is_is_revoked_with_the_others(
    guarded: Client, revocations: Revocations, hub: Hub, feeds: Feeds
) -> None:
    unstamped = claims_token(sub=ALICE, role="authenticated", exp=ISSUED_AT + 60)
    guarded.join(activations(), access_token=unstamped)
    feeds.turn(hub)
    guarded.take()
    revocations.add([(ALICE, datetime(2020, 1, 1, tzinfo=UTC))])
    assert guarded.session.end_revoked()


def test_a_refresh_decides_which_token_a_channel_has(
    guarded: Client, revocations: Revocations, hub: Hub, feeds: Feeds
) -> None:
    joined(guarded, hub, feeds)
    newer = claims_token(sub=ALICE, role="authenticated", exp=ISSUED_AT + 600, iat=ISSUED_AT + 2)
    guarded.say("access_token", {"access_token": newer})
    revocations.add([(ALICE, LATER)])
    assert not guarded.session.end_revoked()


@pytest.mark.parametrize("event", ["phx_join", "access_token"])
def test_a_revoked_token_neither_joins_nor_renews(
    guarded: Client, revocations: Revocations, hub: Hub, feeds: Feeds, event: str
) -> None:
    newer = claims_token(sub=ALICE, role="authenticated", exp=ISSUED_AT + 600, iat=ISSUED_AT + 2)
    joined(guarded, hub, feeds)
    guarded.say("access_token", {"access_token": newer})
    revocations.add([(ALICE, LATER)])
    guarded.say(event, {"access_token": token()})
    [frame] = guarded.take()
    reason = frame["payload"].get("reason") or frame["payload"]["response"]["reason"]
    assert reason == "InvalidJWTToken: Token has been revoked"
    assert hub.users == 0


def test_a_join_that_still_waits_ends_too(
    guarded: Client, revocations: Revocations, hub: Hub, feeds: Feeds
) -> None:
    guarded.join(activations())
    revocations.add([(ALICE, LATER)])
    assert guarded.session.end_revoked()
    assert failure(guarded) == REVOKED
    feeds.turn(hub)
    assert guarded.take() == []


def test_before_the_revocations_are_known_a_join_is_to_be_tried_again(hub: Hub) -> None:
    client = Client(hub, verifier=Verifier(SECRET, revocations=Revocations()))
    client.join(activations())
    assert client.refusal() == (
        "RealtimeRestarting: the revocations have not been read yet; try again"
    )
