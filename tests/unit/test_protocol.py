"""The wire format: both serializers take what clients send, refuse the rest, and build frames."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import V1, V2, BadFrame, Message, serializer

V1_JOIN = '{"topic":"realtime:a","event":"phx_join","payload":{"config":{}},"ref":"1"}'
V2_JOIN = '["1","2","realtime:a","phx_join",{"config":{}}]'


def test_serializer_1_reads_an_object_and_serializer_2_an_array() -> None:
    payload: dict[str, object] = {"config": {}}
    assert V1().decode(V1_JOIN) == Message(None, "1", "realtime:a", "phx_join", payload)
    assert V2().decode(V2_JOIN) == Message("1", "2", "realtime:a", "phx_join", payload)


def test_a_python_client_sends_join_ref_and_heartbeats_without_a_ref() -> None:
    frame = '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":null,"join_ref":"4"}'
    assert V1().decode(frame) == Message("4", None, "phoenix", "heartbeat", {})


def test_a_missing_payload_is_an_empty_one() -> None:
    assert V1().decode('{"topic":"t","event":"e","payload":null,"ref":null}').payload == {}
    assert V1().decode('{"topic":"t","event":"e"}').payload == {}
    assert V2().decode('[null,null,"t","e",null]').payload == {}


def test_refs_may_be_numbers() -> None:
    assert V2().decode('[1,2,"t","e",{}]') == Message(1, 2, "t", "e", {})


@pytest.mark.parametrize(
    "frame",
    [
        "", "{", "[]", "null", "7", '"text"', "[1,2,3]", V2_JOIN[:-1] + ",1]", "\x00", "{}",
        "[" * 100_000, '["1","2",3,"e",{}]', '["1","2","t","e",[]]', '["1","2","t","e","x"]',
        V1_JOIN,
    ],
)  # fmt: skip
def test_serializer_2_refuses_what_is_no_frame(frame: str) -> None:
    with pytest.raises(BadFrame, match="not an array of join_ref, ref, topic, event and payload"):
        V2().decode(frame)


@pytest.mark.parametrize("frame", ["", "[]", V2_JOIN, "{}", '{"topic":1,"event":"e"}', "null"])
def test_serializer_1_refuses_what_is_no_frame(frame: str) -> None:
    with pytest.raises(BadFrame, match="not an object with topic, event, payload and ref"):
        V1().decode(frame)


@given(st.text() | st.binary())
def test_whatever_comes_is_a_message_or_a_bad_frame(data: str | bytes) -> None:
    for one in (V1(), V2()):
        with suppress(BadFrame):
            assert isinstance(one.decode(data), Message)


def test_a_bad_frame_is_never_repeated_in_the_sentence() -> None:
    with pytest.raises(BadFrame) as bad:
        V2().decode('["a secret of the client')
    assert "secret" not in str(bad.value)
    assert bad.value.__cause__ is None


def binary(kind: int, *parts: bytes, encoding: int = 1, payload: bytes = b"{}") -> bytes:
    """A frame as realtime-js writes its broadcasts."""
    return bytes([kind, *map(len, parts), encoding]) + b"".join(parts) + payload


def test_the_binary_broadcast_of_serializer_2_is_known_as_one() -> None:
    frame = binary(3, b"1", b"2", b"realtime:a", b"cursor", b"")
    assert V2().decode(frame) == Message("1", "2", "realtime:a", "broadcast", {"event": "cursor"})
    no_refs = binary(3, b"", b"", b"realtime:a", b"cursor", b"")
    assert V2().decode(no_refs).ref is None


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x03",
        b"\x03\x01\x01\x01\x01\x01",
        binary(4, b"1", b"2", b"t", b"e", b""),
        b"\xff" * 90,
        binary(3, b"1", b"2", b"realtime:a", b"e", b"")[:-12],
    ],
)
def test_other_binary_frames_are_refused(frame: bytes) -> None:
    with pytest.raises(BadFrame):
        V2().decode(frame)


def test_serializer_1_has_no_binary_frames() -> None:
    with pytest.raises(BadFrame, match=r"1\.0\.0 has no binary frames"):
        V1().decode(binary(3, b"1", b"2", b"t", b"e", b""))


def test_frames_to_the_client() -> None:
    payload = {"status": "ok", "response": {}}
    assert V1().encode("1", "2", "t", "phx_reply", payload) == (
        '{"topic":"t","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}'
    )
    assert V2().encode("1", "2", "t", "phx_reply", payload) == (
        '["1","2","t","phx_reply",{"status":"ok","response":{}}]'
    )


@pytest.mark.parametrize("topic", ["realtime:a", 'realtime:"\\', "realtime:\u2028é\x00"])
def test_the_prefix_of_changes_is_a_frame_once_a_payload_and_the_end_follow(topic: str) -> None:
    for one, expected in (
        (V1(), {"topic": topic, "event": "postgres_changes", "ref": None, "payload": {"ids": [1]}}),
        (V2(), [None, None, topic, "postgres_changes", {"ids": [1]}]),
    ):
        assert json.loads(one.changes_prefix(topic) + '{"ids":[1]}' + one.end) == expected


@pytest.mark.parametrize(
    ("vsn", "found"),
    [(None, "1.0.0"), ("", "1.0.0"), ("1.0.0", "1.0.0"), ("2.0.0", "2.0.0")],
)
def test_the_version_chooses_the_serializer(vsn: str | None, found: str) -> None:
    chosen = serializer(vsn)
    assert chosen is not None
    assert chosen.vsn == found


@pytest.mark.parametrize("vsn", ["3.0.0", "2", "2.0", "x", "1.0.0 ", "2.0.0.0"])
def test_an_unknown_version_has_none(vsn: str) -> None:
    assert serializer(vsn) is None
