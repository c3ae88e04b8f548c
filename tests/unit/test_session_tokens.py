"""Who may join, a newer token, and the end of one."""

from datetime import timedelta

import pytest

from gateway.hub import Hub
from tests.unit.gateway_parts import (
    ALICE,
    BOB,
    NOW,
    TOPIC,
    Client,
    Feeds,
    activations,
    claims_token,
    joined,
    role_token,
    token,
)

OTHER_SECRET = "b secret of more than thirty-two bytes"
EXP = int((NOW + timedelta(hours=1)).timestamp())


# --- tokens


@pytest.mark.parametrize(
    ("access_token", "reason"),
    [
        (token(ttl_s=0), "InvalidJWTToken: Token has expired 0 seconds ago"),
        (token(ttl_s=-12), "InvalidJWTToken: Token has expired 12 seconds ago"),
        (token(secret=OTHER_SECRET), "JwtSignatureError: Failed to validate JWT signature"),
        ("junk", "MalformedJWT: The token provided is not a valid JWT"),
        (
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4Iiwicm9sZSI6InNlcnZpY2Vfcm9sZSIsImV4cCI6OTk5OTk5OTk5OX0.",
            "JwtSignatureError: Failed to validate JWT signature",
        ),
        (
            claims_token(role="authenticated", exp=EXP),
            "InvalidJWTToken: Field `sub` must be a uuid in JWT",
        ),
        (
            claims_token(sub=ALICE, exp=EXP),
            "InvalidJWTToken: Fields `role` and `exp` are required in JWT",
        ),
        (
            claims_token(sub=ALICE, role="authenticated"),
            "InvalidJWTToken: Fields `role` and `exp` are required in JWT",
        ),
        (
            role_token("anon"),
            "Unauthorized: an anon key joins nothing; put the user's token into the join",
        ),
        (
            role_token("service_role"),
            "Unauthorized: service_role must name one user in its filter: user_id=eq.<uuid>",
        ),
    ],
)
def test_a_token_that_cannot_join_and_its_reason(
    client: Client, hub: Hub, access_token: str, reason: str
) -> None:
    client.join(activations(), access_token=access_token)
    assert client.refusal() == reason
    assert hub.users == 0


def test_without_any_token(client: Client) -> None:
    client.say("phx_join", {})
    assert client.refusal() == "Unauthorized: no token; put the user's into the join"


def test_the_apikey_counts_where_the_join_brings_none(hub: Hub, feeds: Feeds) -> None:
    client = Client(hub, apikey=token())
    client.say("phx_join", {"config": {"postgres_changes": [activations()]}})
    feeds.turn(hub)
    assert client.events() == ["phx_reply", "system"]


def test_the_first_join_of_supabase_js_comes_without_a_token_and_the_next_one_with_it(
    hub: Hub, feeds: Feeds
) -> None:
    client = Client(hub, apikey=role_token("anon"))
    client.say("phx_join", {"config": {"postgres_changes": [activations()]}})
    assert client.refusal().startswith("Unauthorized: an anon key joins nothing")
    joined(client, hub, feeds)


def test_a_user_sees_only_their_own_feed(hub: Hub, feeds: Feeds) -> None:
    alice, bob = Client(hub), Client(hub)
    alice.join({"event": "*", "schema": "*"})
    bob.join({"event": "*", "schema": "*"}, activations(filter=f"user_id=eq.{ALICE}"),
             access_token=token(BOB))  # fmt: skip
    feeds.turn(hub)
    alice.take(), bob.take()
    feeds.add(ALICE)
    feeds.add(BOB)
    hub.mark_all()
    feeds.turn(hub)
    assert alice.changes() == [([1], 1, 0)]
    assert bob.changes() == [([1], 1, 0)]


def test_service_role_reads_whom_it_names(client: Client, hub: Hub, feeds: Feeds) -> None:
    client.join(activations(filter=f"user_id=eq.{BOB}"), access_token=role_token("service_role"))
    feeds.turn(hub)
    client.take()
    feeds.add(ALICE)
    feeds.add(BOB)
    hub.mark_all()
    feeds.turn(hub)
    assert client.changes() == [([1], 1, 0)]


# --- a newer token, and the end of one


def refresh(client: Client, access_token: object, minutes: int = 0) -> None:
    client.say("access_token", {"access_token": access_token}, now=NOW + timedelta(minutes=minutes))


def seconds(minutes: int) -> float:
    return (NOW + timedelta(minutes=minutes)).timestamp()


def error(client: Client) -> tuple[int, str]:
    [frame] = client.take()
    assert (frame["event"], frame["join_ref"], frame["ref"]) == ("phx_error", "1", "1")
    return frame["payload"]["code"], frame["payload"]["reason"]


def test_an_expired_channel_fails_so_that_the_client_joins_again(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    client.session.expire(seconds(60) - 0.001)
    assert client.take() == []
    client.session.expire(seconds(60))
    assert error(client) == (4001, "Token has expired")
    client.session.expire(seconds(61))
    feeds.add()
    hub.mark_all()
    feeds.turn(hub)
    assert client.take() == [], "it is said once, and then nothing is sent"
    client.join(activations(since=0), access_token=token(ttl_s=7200))
    feeds.turn(hub)
    assert client.events() == ["phx_reply", "system", "postgres_changes"]


def test_a_join_that_still_waits_expires_too(client: Client, hub: Hub, feeds: Feeds) -> None:
    client.join(activations())
    client.session.expire(seconds(60))
    assert error(client) == (4001, "Token has expired")
    feeds.turn(hub)
    assert client.take() == []


def test_only_the_channel_whose_token_it_was_expires(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    client.join(activations(), topic="realtime:2", access_token=token(ttl_s=7200))
    feeds.turn(hub)
    client.take()
    client.session.expire(seconds(60))
    assert error(client) == (4001, "Token has expired")
    feeds.add()
    hub.mark_all()
    feeds.turn(hub)
    assert client.changes() == [([2], 1, 0)]


def test_a_channel_that_the_hub_refused_does_not_expire_as_well(client: Client, hub: Hub) -> None:
    client.join(activations())
    hub.refuse_waiting("away")
    client.take()
    client.session.expire(seconds(61))
    assert client.take() == []


def test_a_newer_token_is_taken_without_an_answer(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    refresh(client, token(ttl_s=7200), minutes=30)
    client.session.expire(seconds(60))
    assert client.take() == []
    client.session.expire(seconds(120))
    assert error(client) == (4001, "Token has expired")


@pytest.mark.parametrize("access_token", [None, "", "sb_publishable_x", 7])
def test_a_refresh_without_a_token_of_ours_changes_nothing(
    client: Client, hub: Hub, feeds: Feeds, access_token: object
) -> None:
    joined(client, hub, feeds)
    refresh(client, access_token)
    assert client.take() == []
    assert TOPIC in client.session.channels


def test_a_refresh_of_what_is_not_joined_changes_nothing(client: Client) -> None:
    refresh(client, token())
    refresh(client, "junk")
    assert client.take() == []


@pytest.mark.parametrize(
    ("access_token", "reason"),
    [
        ("junk", "MalformedJWT: The token provided is not a valid JWT"),
        (token(), "InvalidJWTToken: Token has expired 60 seconds ago"),
        (token(BOB, ttl_s=7200), "Unauthorized: the token is another user's"),
        (
            role_token("anon"),
            "Unauthorized: an anon key joins nothing; put the user's token into the join",
        ),
    ],
)
def test_a_refresh_that_is_refused_fails_the_channel(
    client: Client, hub: Hub, feeds: Feeds, access_token: str, reason: str
) -> None:
    joined(client, hub, feeds)
    minutes = 61 if access_token == token() else 1
    refresh(client, access_token, minutes)
    assert error(client) == (4003, reason)
    assert hub.users == 0


def test_an_anon_key_does_not_keep_a_service_channel_alive(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    client.join(activations(filter=f"user_id=eq.{BOB}"), access_token=role_token("service_role"))
    feeds.turn(hub)
    client.take()
    refresh(client, role_token("anon"))
    assert error(client)[0] == 4003
    assert hub.users == 0
