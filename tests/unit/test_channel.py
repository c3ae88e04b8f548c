"""A joined channel: the frames that go out on it, on both serializers, and when."""

import json

import pytest

from gateway.channel import Binding, Channel, Place
from gateway.protocol import V1, V2, Message
from tests.unit.gateway_parts import ALICE, TOPIC, Sent

JOIN = Message("1", "2", TOPIC, "phx_join", {})


def channel(sent: Sent, join: Message = JOIN, vsn: type[V1] | type[V2] = V2) -> Channel:
    return Channel(vsn(), sent, join)


def bind(one: Channel, number: int, echo: str = '{"event":"*"}') -> Binding:
    binding = Binding(number, one, ALICE, "*", "public", "activations", None, None, None)
    one.user = ALICE
    one.bind(binding, echo)
    return binding


def test_the_join_is_answered_with_each_binding_and_its_id_then_comes_system() -> None:
    sent = Sent()
    one = channel(sent)
    bind(one, 1, '{"event":"INSERT","mine":1}')
    bind(one, 2)
    assert sent == []
    one.admit(Place(ALICE, 42, "e1"))
    one.confirm()
    assert sent == [
        '["1","2","realtime:sms","phx_reply",{"status":"ok","response":{"postgres_changes":'
        '[{"event":"INSERT","mine":1,"id":1},{"event":"*","id":2}]}}]',
        '["1",null,"realtime:sms","system",{"status":"ok","extension":"postgres_changes",'
        '"message":"Subscribed to PostgreSQL","channel":"sms","feed_seq":42,"epoch":"e1"}]',
    ]


def test_without_bindings_there_is_nothing_that_system_could_speak_of() -> None:
    sent = Sent()
    channel(sent).confirm()
    assert sent == [
        '["1","2","realtime:sms","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]'
    ]


def test_serializer_1_has_no_join_ref_on_the_wire_and_takes_the_joins_ref_for_it() -> None:
    sent = Sent()
    one = channel(sent, Message(None, "7", TOPIC, "phx_join", {}), V1)
    one.confirm()
    one.fail(4001, "Token has expired")
    assert [json.loads(text) for text in sent] == [
        {
            "topic": TOPIC, "event": "phx_reply", "ref": "7",
            "payload": {"status": "ok", "response": {"postgres_changes": []}},
        },
        {
            "topic": TOPIC, "event": "phx_error", "ref": "7",
            "payload": {"code": 4001, "reason": "Token has expired"},
        },
    ]  # fmt: skip


def test_a_resync_waits_until_the_join_is_answered() -> None:
    sent = Sent()
    one = channel(sent)
    bind(one, 1)
    one.resync("cursor too old", Place(ALICE, 41, "e1"))
    assert sent == []
    one.admit(Place(ALICE, 42, "e1"))
    one.confirm()
    one.resync("other history", Place(ALICE, 43, "e2"))
    told = [json.loads(text)[4] for text in sent[1:]]
    assert [(said["extension"], said["message"], said["feed_seq"]) for said in told] == [
        ("postgres_changes", "Subscribed to PostgreSQL", 42),
        ("resync", "cursor too old", 41),
        ("resync", "other history", 43),
    ]
    assert all(said["status"] == "ok" and said["channel"] == "sms" for said in told)


@pytest.mark.parametrize("vsn", [V1, V2])
def test_changes_carry_the_ids_of_those_who_get_them(vsn: type[V1] | type[V2]) -> None:
    sent = Sent()
    one = channel(sent, vsn=vsn)
    one.changes([1, 3], '{"type":"INSERT"}')
    frame = json.loads(sent[0])
    payload = frame["payload"] if isinstance(frame, dict) else frame[4]
    assert payload == {"ids": [1, 3], "data": {"type": "INSERT"}}


def test_leaving_is_confirmed_and_then_closed_under_the_joins_own_ref() -> None:
    sent = Sent()
    one = channel(sent)
    one.leave("9")
    assert sent == [
        '["1","9","realtime:sms","phx_reply",{"status":"ok","response":{}}]',
        '["1","1","realtime:sms","phx_close",{}]',
    ]
    assert not one.open


def test_a_refusal_names_the_reason_and_closes() -> None:
    sent = Sent()
    one = channel(sent)
    one.refuse("Unauthorized: no")
    assert sent == [
        '["1","2","realtime:sms","phx_reply",'
        '{"status":"error","response":{"reason":"Unauthorized: no"}}]'
    ]
    assert not one.open


@pytest.mark.parametrize(
    ("event", "schema", "table", "taken"),
    [
        ("*", "*", "*", True),
        ("INSERT", "public", "activations", True),
        ("UPDATE", "public", "activations", False),
        ("*", "shop", "activations", False),
        ("*", "public", "wallets", False),
        ("*", "*", "activations", True),
        ("INSERT", "public", "*", True),
    ],
)
def test_what_a_binding_is_about(event: str, schema: str, table: str, taken: bool) -> None:
    one = Binding(1, channel(Sent()), ALICE, event, schema, table, None, None, None)
    assert one.takes("public", "activations", "INSERT") is taken
