"""What one socket may ask for: joins at a rate, and a place only once it joins as somebody."""

from datetime import timedelta

from gateway.hub import Hub
from gateway.session import Limits
from process.rates import Rate
from tests.unit.gateway_parts import BOB, NOW, Client, Feeds, activations, joined, places, token

TOO_MANY = "ClientJoinRateLimitReached: Too many joins per second"


def test_joins_over_the_rate_are_refused_and_the_channel_before_them_is_untouched(
    hub: Hub, feeds: Feeds
) -> None:
    client = Client(hub, limits=Limits(10, 10, Rate(per_s=1, burst=2)))
    joined(client, hub, feeds, topic="realtime:1")
    joined(client, hub, feeds, topic="realtime:2")
    client.join(activations(), topic="realtime:3")
    assert client.refusal() == TOO_MANY
    assert client.refused == ["ClientJoinRateLimitReached"]
    seq = feeds.add()
    hub.mark_all()
    feeds.turn(hub)
    assert [change[1] for change in client.changes()] == [seq, seq]


def test_after_a_while_the_next_join_is_welcome(hub: Hub, feeds: Feeds) -> None:
    client = Client(hub, limits=Limits(10, 10, Rate(per_s=1, burst=1)))
    joined(client, hub, feeds)
    client.join(activations())
    assert client.refusal() == TOO_MANY
    client.join(activations(), now=NOW + timedelta(seconds=1))
    feeds.turn(hub)
    assert client.events() == ["phx_reply", "system"]


def test_a_join_with_many_bindings_counts_as_several(hub: Hub, feeds: Feeds) -> None:
    client = Client(hub, limits=Limits(10, 100, Rate(per_s=1, burst=5)))
    joined(client, hub, feeds, *[activations()] * 39)
    client.join(*[activations()] * 10)
    assert client.refusal() == TOO_MANY
    client.join(*[activations()] * 9)
    feeds.turn(hub)
    assert client.events() == ["phx_reply", "system"]


def test_heartbeats_are_no_joins(hub: Hub) -> None:
    client = Client(hub, limits=Limits(10, 10, Rate(per_s=1, burst=1)))
    for _ in range(5):
        client.say("heartbeat", {}, "phoenix")
    assert client.events() == ["phx_reply"] * 5


def test_a_join_without_a_place_is_refused_and_gets_one_when_another_leaves(
    hub: Hub, feeds: Feeds
) -> None:
    room = places(per_user=1)
    first, second = (Client(hub, place=room.enter(None)) for _ in range(2))
    joined(first, hub, feeds)
    second.join(activations())
    reason = "ConnectionRateLimitReached: Too many sockets of this user; at most 1"
    assert second.refusal() == reason
    assert second.refused == ["user sockets"]
    first.session.close()
    joined(second, hub, feeds)


def test_a_join_that_is_refused_for_its_token_takes_no_place(hub: Hub, feeds: Feeds) -> None:
    room = places(total=1)
    first, second = (Client(hub, place=room.enter(None)) for _ in range(2))
    first.join(activations(), access_token="junk")
    assert first.refusal().startswith("MalformedJWT: ")
    assert first.refused == ["MalformedJWT"]
    second.join(access_token=token(BOB))
    assert second.events() == ["phx_reply"]
