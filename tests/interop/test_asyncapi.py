"""docs/asyncapi.yaml is valid AsyncAPI, its examples of a client work when they are sent, and what
the gateway sends is what it says, in both serializers.
"""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from gateway.hub import TABLE_CHANGED
from gateway.session import TOKEN_EXPIRED, TOKEN_REFUSED, TOKEN_REVOKED
from tests.gateway_process import GatewayProcess, anon_key
from tests.interop.conftest import User
from tests.market import Market
from tests.needs import NODE_CLIENT, find_node, needs_node

pytestmark = needs_node

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
FRAME_LIMIT_S = 10
MESSAGES = {"phx_reply": "reply", "system": "system", "postgres_changes": "change",
            "phx_error": "error", "phx_close": "close"}  # fmt: skip
FROM_CLIENT = ("heartbeat", "join", "accessToken", "notOffered", "leave")
ALICE = "a11ce000-0000-4000-8000-000000000001"  # as the document calls her

Frame = Any  # JSON: a list in serializer 2.0.0, an object in 1.0.0
Frames = Mapping[str, Sequence[Frame]]


class Told(msgspec.Struct):
    """What the document says: the examples of each message, and the codes of phx_error."""

    examples: dict[str, list[Frame]]
    codes: list[int]


async def checked(captured: Frames) -> tuple[list[str], Told]:
    """What is wrong with the document, or with these frames by it; and what it says."""
    node = find_node()
    assert node is not None
    process = await asyncio.create_subprocess_exec(
        node, "asyncapi.mjs", DOCUMENT, cwd=NODE_CLIENT, stdin=PIPE, stdout=PIPE
    )
    told, _ = await process.communicate(json.dumps(captured).encode())
    assert process.returncode == 0
    *problems, last = told.decode().splitlines()
    return problems, msgspec.json.decode(last, type=Told)


class Socket:
    """A socket that remembers what it was sent, by the document's names."""

    def __init__(self, connection: ClientConnection, seen: dict[str, list[Frame]]) -> None:
        self._connection = connection
        self._seen = seen

    async def say(self, frame: Frame) -> None:
        """A frame as it is."""
        await self._connection.send(json.dumps(frame))

    async def hear(self, *events: str) -> None:
        """The next frames, which must be of these events."""
        for event in events:
            async with asyncio.timeout(FRAME_LIMIT_S):
                frame = json.loads(await self._connection.recv())
            assert event_of(frame) == event, frame
            self._seen.setdefault(MESSAGES[event], []).append(frame)


def event_of(frame: Frame) -> str:
    return str(frame["event"] if isinstance(frame, dict) else frame[3])


def payload_of(frame: Frame) -> dict[str, Any]:
    payload: dict[str, Any] = frame["payload"] if isinstance(frame, dict) else frame[4]
    return payload


def shape(frame: Frame) -> str:
    """The event, and the keys of all but rows and bindings."""
    payload = payload_of(frame)
    inner = payload.get("data") or payload.get("response") or {}
    return f"{event_of(frame)} {sorted(payload)} {sorted(inner)} {payload.get('extension')}"


def made_real(frame: Frame, user: User) -> Frame:
    """The document's example, for a user who exists."""
    text = json.dumps(frame).replace("eyJ...", user.token).replace(ALICE, str(user.id))
    return json.loads(text)


def with_payload(frame: Frame, payload: object) -> Frame:
    """The same frame with another payload."""
    if isinstance(frame, dict):
        return {**frame, "payload": payload}
    return [*frame[:4], payload]


async def test_the_document_is_valid_and_so_are_its_examples() -> None:
    problems, told = await checked({})
    assert problems == []
    assert {len({type(one) for one in frames}) for frames in told.examples.values()} == {2}
    assert told.codes == [TOKEN_EXPIRED, TOKEN_REFUSED, TABLE_CHANGED, TOKEN_REVOKED]


async def test_a_frame_that_is_not_as_it_says_is_found() -> None:
    bad: Frames = {
        "error": [["1", "1", "realtime:x", "phx_error", {"code": 1, "reason": "?"}]],
        "x": [[]],
    }
    problems, _ = await checked(bad)
    assert any(problem.startswith("captured error/4/code: ") for problem in problems)
    assert problems[-1] == "captured x: there is no such message"


async def test_the_examples_of_a_client_work_and_the_gateway_answers_as_it_says(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    _, told = await checked({})
    examples = told.examples
    seen: dict[str, list[Frame]] = {}
    for vsn, form in (("2.0.0", list), ("1.0.0", dict)):
        said = {
            name: made_real(next(one for one in examples[name] if isinstance(one, form)), alice)
            for name in FROM_CLIENT
        }
        async with connect(gateway.websocket_url(anon_key(), vsn), compression=None) as connection:
            await converse(Socket(connection, seen), said, market, alice)
    problems, _ = await checked(seen)
    assert problems == []
    shapes = {shape(frame) for frames in seen.values() for frame in frames}
    for name in MESSAGES.values():
        for example in examples[name]:
            assert shape(example) in shapes, f"the gateway sends no {name} like {example}"


async def converse(socket: Socket, said: Frames, market: Market, alice: User) -> None:
    """All that a client can say, and all that it can be told."""
    await socket.say(said["heartbeat"])
    await socket.hear("phx_reply")
    joining = payload_of(said["join"])
    [binding] = joining["config"]["postgres_changes"]
    everything = {**binding, "event": "*", "since": await market.feed_seq(alice.id)}
    await socket.say(said["join"])
    await socket.hear("phx_reply", "system")
    if "since" in binding:  # that example asks for every event, the other for UPDATE alone
        await market.delete(await market.pending(alice.id))
        await socket.hear(*["postgres_changes"] * 3)
    else:
        await market.pending(alice.id)
        await socket.hear("postgres_changes")
    await socket.say(said["accessToken"])
    await socket.say(said["notOffered"])
    await socket.hear("phx_reply")
    await socket.say(said["leave"])
    await socket.hear("phx_reply", "phx_close")
    for wrong, answers in (
        ({"filter": "colour=eq.red"}, ["phx_reply"]),
        ({"since": everything["since"] + 10**6}, ["phx_reply", "system", "system"]),
    ):
        config = {"postgres_changes": [{**everything, **wrong}]}
        await socket.say(with_payload(said["join"], {**joining, "config": config}))
        await socket.hear(*answers)
    await socket.say(with_payload(said["accessToken"], {"access_token": "junk"}))
    await socket.hear("phx_error")
