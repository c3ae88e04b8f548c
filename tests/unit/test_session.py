"""One socket's side of the protocol: each event of a client, each refusal."""

from datetime import timedelta

import pytest

from gateway.hub import Hub
from gateway.protocol import BadFrame
from gateway.session import Limits
from tests.unit.gateway_parts import (
    ALICE,
    JOINS,
    NOW,
    TOPIC,
    Client,
    Feeds,
    activations,
    joined,
    token,
)

OTHER_SECRET = "b secret of more than thirty-two bytes"
EXP = int((NOW + timedelta(hours=1)).timestamp())


# --- heartbeat, and what nobody handles


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
@pytest.mark.parametrize("ref", ["7", None])
def test_a_heartbeat_is_answered_with_its_ref(hub: Hub, vsn: str, ref: str | None) -> None:
    client = Client(hub, vsn)
    client.say("heartbeat", {}, "phoenix", ref=ref)
    [answer] = client.take()
    assert (answer["topic"], answer["event"], answer["ref"]) == ("phoenix", "phx_reply", ref)
    assert answer["payload"] == {"status": "ok", "response": {}}


def test_junk_is_a_bad_frame_and_changes_nothing(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    for data in ("junk", b"\x00\x01", "[]"):
        with pytest.raises(BadFrame):
            client.session.receive(data, NOW)
    feeds.add()
    hub.mark(ALICE)
    feeds.turn(hub)
    assert client.changes() == [([1], 1, 0)]


@pytest.mark.parametrize("event", ["shout", "broadcast", "presence", "postgres_changes"])
def test_an_event_on_a_topic_that_was_not_joined(client: Client, event: str) -> None:
    ref = client.say(event, {}, "realtime:elsewhere")
    [answer] = client.take()
    assert answer["ref"] == ref
    assert answer["payload"] == {"status": "error", "response": {"reason": "unmatched topic"}}


def test_an_unknown_event_on_a_joined_topic_is_no_error(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    client.say("shout", {})
    client.say("phx_close", {})
    assert client.take() == []


@pytest.mark.parametrize("event", ["broadcast", "presence"])
def test_what_is_not_offered_says_so(client: Client, hub: Hub, feeds: Feeds, event: str) -> None:
    joined(client, hub, feeds)
    client.say(event, {"type": event})
    assert client.refusal() == f"{event} is not offered here: only postgres_changes are"


def test_the_binary_broadcast_of_supabase_js_is_answered_too(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    parts = [b"1", b"9", TOPIC.encode(), b"cursor", b""]
    frame = bytes([3, *map(len, parts), 1]) + b"".join(parts) + b"{}"
    client.session.receive(frame, NOW)
    assert client.refusal() == "broadcast is not offered here: only postgres_changes are"


# --- joining


def test_nothing_is_said_before_the_feed_has_been_read(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    feeds.add()
    ref = client.join(activations("INSERT", filter=f"user_id=eq.{ALICE}", mine=1))
    assert client.take() == []
    feeds.turn(hub)
    reply, system = client.take()
    assert (reply["ref"], reply["payload"]["status"]) == (ref, "ok")
    assert reply["payload"]["response"]["postgres_changes"] == [
        activations("INSERT", filter=f"user_id=eq.{ALICE}", mine=1, id=1)
    ]
    assert system["payload"] == {
        "status": "ok", "extension": "postgres_changes", "message": "Subscribed to PostgreSQL",
        "channel": "sms", "feed_seq": 1, "epoch": feeds.wire_epoch(),
    }  # fmt: skip


def test_a_join_without_bindings_is_answered_at_once(client: Client) -> None:
    client.say("phx_join", {"access_token": token()})
    [reply] = client.take()
    assert reply["payload"] == {"status": "ok", "response": {"postgres_changes": []}}


def test_ids_are_never_nought_and_never_given_twice(client: Client, hub: Hub, feeds: Feeds) -> None:
    client.join(activations(), activations())
    client.join(activations(), topic="realtime:other")
    feeds.turn(hub)
    replies = [frame for frame in client.take() if frame["event"] == "phx_reply"]
    ids = [
        binding["id"]
        for reply in replies
        for binding in reply["payload"]["response"]["postgres_changes"]
    ]
    assert ids == [1, 2, 3]


@pytest.mark.parametrize(
    "topic", ["realtime:", "phoenix", "room:1", "", "realtime", "Realtime:sms"]
)
def test_a_topic_has_a_name_behind_realtime(client: Client, topic: str) -> None:
    client.join(activations(), topic=topic)
    assert client.refusal() == "TopicNameRequired: a topic is written realtime:<name>"


def test_a_binding_that_cannot_be_refuses_the_whole_join(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    client.join(activations(), activations(filter="colour=eq.red"))
    assert client.refusal() == "InvalidFilter: invalid column for filter colour"
    assert hub.users == 0
    feeds.turn(hub)
    assert client.take() == []


def test_before_the_tables_are_known_a_join_is_to_be_tried_again(feeds: Feeds) -> None:
    client = Client(Hub(on_due=lambda: None))
    client.join(activations())
    assert client.refusal() == "RealtimeRestarting: the database has not been read yet; try again"


def test_too_many_channels(hub: Hub, feeds: Feeds) -> None:
    client = Client(hub, limits=Limits(2, 10, JOINS))
    joined(client, hub, feeds, topic="realtime:1")
    joined(client, hub, feeds, topic="realtime:2")
    client.join(activations(), topic="realtime:3")
    assert client.refusal() == "ChannelRateLimitReached: Too many channels"
    joined(client, hub, feeds, topic="realtime:2")  # again: it replaces itself
    client.say("phx_leave", {}, "realtime:1")
    client.take()
    joined(client, hub, feeds, topic="realtime:3")


def test_a_channel_that_the_hub_refused_was_never_joined(client: Client, hub: Hub) -> None:
    client.join(activations())
    hub.refuse_waiting("away")
    client.take()
    client.say("presence", {})
    assert client.refusal() == "unmatched topic"
    client.say("phx_leave", {})
    assert client.events() == ["phx_reply"]


def test_channels_that_the_hub_refused_do_not_count(hub: Hub, feeds: Feeds) -> None:
    client = Client(hub, limits=Limits(1, 10, JOINS))
    client.join(activations(), topic="realtime:1")
    hub.refuse_waiting("away")
    assert client.refusal() == "away"
    joined(client, hub, feeds, topic="realtime:2")


def test_a_second_join_replaces_the_first_without_a_word(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    joined(client, hub, feeds, activations("INSERT"))
    feeds.add(op="UPDATE")
    feeds.add(op="INSERT")
    hub.mark(ALICE)
    feeds.turn(hub)
    assert client.changes() == [([2], 2, 0)]


def test_a_second_join_while_the_first_waits_is_the_only_one_answered(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    client.join(activations())
    ref = client.join(activations())
    feeds.turn(hub)
    reply, system = client.take()
    assert (reply["ref"], system["event"]) == (ref, "system")


def test_a_second_join_that_is_refused_leaves_nothing_of_the_first(
    client: Client, hub: Hub, feeds: Feeds
) -> None:
    joined(client, hub, feeds)
    client.join(activations(filter="x"))
    client.refusal()
    assert hub.users == 0


# --- leaving, closing


def test_after_leaving_nothing_comes(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    ref = client.say("phx_leave", {})
    reply, close = client.take()
    assert (reply["event"], reply["ref"]) == ("phx_reply", ref)
    assert reply["payload"] == {"status": "ok", "response": {}}
    assert (close["event"], close["join_ref"], close["ref"]) == ("phx_close", "1", "1")
    feeds.add()
    hub.mark_all()
    feeds.turn(hub)
    assert client.take() == []
    assert hub.users == 0


def test_leaving_while_the_join_waits(client: Client, hub: Hub, feeds: Feeds) -> None:
    client.join(activations())
    client.say("phx_leave", {})
    assert client.events() == ["phx_reply", "phx_close"]
    feeds.turn(hub)
    assert client.take() == []


def test_leaving_what_was_not_joined_is_no_error(client: Client) -> None:
    ref = client.say("phx_leave", {}, "realtime:elsewhere")
    [reply] = client.take()
    assert (reply["ref"], reply["payload"]) == (ref, {"status": "ok", "response": {}})


def test_a_closed_socket_leaves_nothing_behind(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    client.join(activations(), topic="realtime:waiting")
    client.session.close()
    feeds.add()
    hub.mark_all()
    feeds.turn(hub)
    client.session.expire(EXP + 1)
    assert client.take() == []
    assert (hub.users, client.session.channels) == (0, {})
