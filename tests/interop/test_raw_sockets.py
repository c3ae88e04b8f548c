"""One plain socket on each serializer: the frames of docs/protocol.md, to the letter."""

import json
import re

import pytest

from tests.gateway_process import GatewayProcess, anon_key
from tests.interop.conftest import User
from tests.interop.raw import RawSocket, of_user, raw_socket
from tests.market import Market

TOPIC = "realtime:sms-updates"
COLUMNS = [
    ("id", "uuid"), ("user_id", "uuid"), ("provider", "text"), ("order_id", "text"),
    ("service_code", "text"), ("country_code", "text"), ("operator", "text"), ("phone", "text"),
    ("status", "text"), ("sms_code", "text"), ("sms_text", "text"), ("sms_count", "int4"),
    ("sms_received_at", "timestamptz"), ("price", "numeric"), ("frozen_amount", "numeric"),
    ("charged", "bool"), ("cancel_after", "timestamptz"), ("expires_at", "timestamptz"),
    ("failure", "text"), ("created_at", "timestamptz"), ("updated_at", "timestamptz"),
]  # fmt: skip

pytestmark = pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])


async def test_heartbeat(gateway: GatewayProcess, alice: User, vsn: str) -> None:
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.send("7", "phoenix", "heartbeat", {})
        answer = '{"status":"ok","response":{}}'
        assert await socket.text() == socket.frame("7", "phoenix", "phx_reply", answer)


async def test_join_is_answered_and_then_said_to_be_served(
    gateway: GatewayProcess, market: Market, alice: User, vsn: str
) -> None:
    await market.pending(alice.id)
    async with raw_socket(gateway, anon_key(), vsn) as socket:
        binding = of_user(alice.id, mine="kept", since=0)
        await socket.join(TOPIC, alice.token, binding)
        echo = json.dumps({**binding, "id": 1}, separators=(",", ":"))
        assert await socket.text() == socket.frame(
            "1", TOPIC, "phx_reply",
            f'{{"status":"ok","response":{{"postgres_changes":[{echo}]}}}}',
        )  # fmt: skip
        said = await socket.text()
        epoch = re.search(r'"epoch":"([0-9a-f]{16})"', said)
        assert epoch
        assert said == socket.frame(
            None, TOPIC, "system",
            '{"status":"ok","extension":"postgres_changes","message":"Subscribed to PostgreSQL",'
            f'"channel":"sms-updates","feed_seq":{await market.feed_seq(alice.id)},'
            f'"epoch":"{epoch[1]}"}}',
        )  # fmt: skip


async def test_an_update_has_both_rows_whole(
    gateway: GatewayProcess, market: Market, alice: User, vsn: str
) -> None:
    activation = await market.pending(alice.id)
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.subscribe(TOPIC, alice.token, of_user(alice.id, "UPDATE"))
        before = await market.feed_seq(alice.id)
        await market.bring_code(activation, "358042")

        frame = await socket.text()
        at = re.search(r'"commit_timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"', frame)
        assert at
        last = await market.feed_seq(alice.id)
        record, old = await market.row_on_feed(alice.id, last)
        columns = ",".join(f'{{"name":"{name}","type":"{type_}"}}' for name, type_ in COLUMNS)
        assert frame == changes_frame(
            socket,
            f'{{"schema":"public","table":"activations","commit_timestamp":"{at[1]}",'
            f'"type":"UPDATE","columns":[{columns}],'
            f'"record":{record[:-1]},"feed_seq":{last},"feed_prev":{before}}},'
            f'"old_record":{old},"errors":null}}',
        )
        assert json.loads(old)["status"] == "pending"
        new = json.loads(record)
        assert (new["status"], new["sms_code"]) == ("received", "358042")
        assert (new["price"], new["charged"], new["sms_count"]) == (0.5, True, 1)


async def test_insert_and_delete_have_the_row_that_there_is(
    gateway: GatewayProcess, market: Market, alice: User, vsn: str
) -> None:
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.subscribe(TOPIC, alice.token, of_user(alice.id))
        activation = await market.buy(alice.id)
        inserted = await socket.change()
        assert (inserted["type"], "old_record" in inserted) == ("INSERT", False)
        assert inserted["record"]["status"] == "requested"

        await market.delete(activation)
        deleted = await socket.change()
        assert (deleted["type"], "record" in deleted) == ("DELETE", False)
        gone = deleted["old_record"]
        assert gone.pop("feed_prev") == inserted["record"].pop("feed_seq")
        assert gone.pop("feed_seq") == await market.feed_seq(alice.id)
        del inserted["record"]["feed_prev"]
        assert gone == inserted["record"]


async def test_a_cursor_brings_what_was_missed(
    gateway: GatewayProcess, market: Market, alice: User, vsn: str
) -> None:
    await market.received(alice.id, "111111")
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.subscribe(TOPIC, alice.token, of_user(alice.id, since=0))
        statuses, seen = [], 0
        for _ in range(3):
            record = (await socket.change())["record"]
            assert record["feed_prev"] == seen
            statuses.append(record["status"])
            seen = record["feed_seq"]
        assert statuses == ["requested", "pending", "received"]


async def test_a_cursor_that_cannot_be_served_is_said_to_be_lost(
    gateway: GatewayProcess, market: Market, alice: User, vsn: str
) -> None:
    activation = await market.pending(alice.id)
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.subscribe(TOPIC, alice.token, of_user(alice.id, since=999))
        last = await market.feed_seq(alice.id)
        said = await socket.payload("system")
        del said["epoch"]
        assert said == {
            "status": "ok", "extension": "resync", "message": "cursor ahead",
            "channel": "sms-updates", "feed_seq": last,
        }  # fmt: skip
        await market.bring_code(activation, "222222")
        assert (await socket.change())["record"]["feed_prev"] == last


async def test_another_history_is_said_to_be_one(
    gateway: GatewayProcess, alice: User, vsn: str
) -> None:
    async with raw_socket(gateway, alice.token, vsn) as socket:
        binding = of_user(alice.id, since=0, epoch="0123456789abcdef")
        await socket.subscribe(TOPIC, alice.token, binding)
        assert (await socket.payload("system"))["message"] == "other history"


async def test_leaving(gateway: GatewayProcess, market: Market, alice: User, vsn: str) -> None:
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.subscribe(TOPIC, alice.token, of_user(alice.id))
        await socket.subscribe("realtime:other", alice.token, of_user(alice.id))
        await socket.send("2", TOPIC, "phx_leave", {})
        ok = '{"status":"ok","response":{}}'
        assert await socket.text() == socket.frame("2", TOPIC, "phx_reply", ok)
        assert await socket.text() == socket.frame("1", TOPIC, "phx_close", "{}")

        await market.pending(alice.id)
        for _ in range(2):  # the channel that was joined first would get each change first
            assert '"realtime:other"' in await socket.text()


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        ({"filter": "colour=eq.red"}, "InvalidFilter: invalid column for filter colour"),
        (
            {"filter": "sms_count=eq.many"},
            "InvalidFilter: invalid input syntax for type integer in the filter on sms_count",
        ),
        (
            {"filter": "status=in.pending"},
            "InvalidFilter: `in` filter value must be wrapped by parentheses",
        ),
        (
            {"table": "ledger", "filter": None},
            "UnableToSubscribe: no table public.ledger is watched; "
            "an administrator can put it on the feed",
        ),
    ],
)
async def test_a_binding_that_cannot_be_is_refused_with_the_reason(
    gateway: GatewayProcess, alice: User, vsn: str, binding: dict[str, object], reason: str
) -> None:
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.join(TOPIC, alice.token, {**of_user(alice.id), **binding})
        answer = json.dumps({"status": "error", "response": {"reason": reason}})
        assert await socket.text() == socket.frame(
            "1", TOPIC, "phx_reply", answer.replace('": ', '":').replace(', "', ',"')
        )


async def test_a_key_that_names_nobody_joins_nothing(gateway: GatewayProcess, vsn: str) -> None:
    async with raw_socket(gateway, anon_key(), vsn) as socket:
        await socket.join(TOPIC, None, of_user("00000000-0000-4000-8000-000000000000"))
        refused = await socket.payload("phx_reply")
        assert refused["status"] == "error"
        assert refused["response"]["reason"] == (
            "Unauthorized: an anon key joins nothing; put the user's token into the join"
        )


async def test_what_is_not_offered_is_refused(
    gateway: GatewayProcess, alice: User, vsn: str
) -> None:
    async with raw_socket(gateway, alice.token, vsn) as socket:
        await socket.subscribe(TOPIC, alice.token, of_user(alice.id))
        await socket.send("2", TOPIC, "presence", {"type": "presence", "event": "track"})
        refused = await socket.payload("phx_reply")
        assert refused["response"] == {
            "reason": "presence is not offered here: only postgres_changes are"
        }
        await socket.send("3", "realtime:elsewhere", "access_token", {})
        await socket.send("4", "realtime:elsewhere", "shout", {})
        unmatched = await socket.payload("phx_reply")
        assert unmatched == {"status": "error", "response": {"reason": "unmatched topic"}}


async def test_bob_sees_nothing_of_alice(
    gateway: GatewayProcess, market: Market, alice: User, bob: User, vsn: str
) -> None:
    async with raw_socket(gateway, bob.token, vsn) as socket:
        everything: dict[str, object] = {"event": "*", "schema": "*"}
        await socket.subscribe(TOPIC, bob.token, everything, of_user(alice.id), of_user(bob.id))
        await market.received(alice.id, "358042")

        fence = await market.buy(bob.id)
        wallet, activation = await socket.change(), await socket.change()
        assert wallet["record"]["user_id"] == str(bob.id)
        assert activation["record"]["id"] == str(fence)


def changes_frame(socket: RawSocket, data: str) -> str:
    """A change on the first binding, whose keys serializer 1.0.0 has always had in this order."""
    if socket.vsn == "1.0.0":
        return (
            f'{{"topic":"{TOPIC}","event":"postgres_changes","ref":null,'
            f'"payload":{{"ids":[1],"data":{data}}}}}'
        )
    return f'[null,null,"{TOPIC}","postgres_changes",{{"ids":[1],"data":{data}}}]'
