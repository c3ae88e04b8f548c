"""PyPI `realtime`, unmodified (serializer 1.0.0), without a cursor (test_examples.py has it with
one). Still it knows what it missed: the first change after a gap says what came before it.
"""

import json
from datetime import datetime

import pytest

from tests.gateway_process import GatewayProcess, anon_key, token
from tests.interop.conftest import User
from tests.interop.python_client import Change, Status, python_client
from tests.interop.raw import of_user
from tests.market import Market

SHORT_TTL_S = 5

# It reads a close code in a way that its own websockets library warns of.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:ConnectionClosed\.(code|reason) is deprecated:DeprecationWarning"
)


def reason(sentence: str) -> str:
    """A refusal as this client words it."""
    return json.dumps({"reason": sentence})


async def test_a_code_arrives(gateway: GatewayProcess, market: Market, alice: User) -> None:
    activation = await market.pending(alice.id)
    async with python_client(gateway, alice.token, of_user(alice.id, "UPDATE")) as client:
        await client.subscribe()
        await client.until_served()
        await market.bring_code(activation, "358042")
        data = (await client.next_change()).data
    assert (data["old_record"]["status"], data["record"]["status"]) == ("pending", "received")
    assert data["record"]["sms_code"] == "358042"
    assert datetime.fromisoformat(data["commit_timestamp"]).utcoffset() is not None


async def test_each_kind_of_change_has_its_rows_whole_and_its_numbers_as_numbers(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with python_client(gateway, alice.token, of_user(alice.id)) as client:
        await client.subscribe()
        await client.until_served()
        await market.delete(await market.pending(alice.id))
        inserted, updated, deleted = [(await client.next_change()).data for _ in range(3)]

    assert [one["type"] for one in (inserted, updated, deleted)] == ["INSERT", "UPDATE", "DELETE"]
    assert "old_record" not in inserted
    assert "record" not in deleted
    assert updated["old_record"].keys() < updated["record"].keys() == deleted["old_record"].keys()
    new = updated["record"]
    assert (new["price"], new["sms_count"], new["charged"]) == (0.5, 0, False)
    assert new["feed_prev"] == inserted["record"]["feed_seq"]
    assert deleted["old_record"]["feed_prev"] == new["feed_seq"]
    names = [column["name"] for column in updated["columns"]]
    assert names == list(updated["old_record"])


async def test_bindings_get_what_each_asked_for(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    asked = (
        of_user(alice.id, "INSERT"),
        {**of_user(alice.id), "filter": "status=in.(received,completed),price=lte.0.50"},
        {"event": "*", "schema": "public", "table": "messages"},
    )
    async with python_client(gateway, alice.token, *asked) as client:
        await client.subscribe()
        await client.until_served()
        await market.received(alice.id, "404040")
        assert [(await client.next_change()).binding for _ in range(3)] == [0, 2, 1]


async def test_a_first_join_without_the_token_is_refused_and_the_second_has_it(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with python_client(gateway, anon_key(), of_user(alice.id)) as client:
        await client.subscribe()
        sentence = "Unauthorized: an anon key joins nothing; put the user's token into the join"
        assert await client.next_status() == Status("CHANNEL_ERROR", reason(sentence))
        await client.client.set_auth(alice.token)
        await client.until_served()
        bought = await market.buy(alice.id)
        assert (await client.next_change()).row["id"] == str(bought)


async def test_a_killed_gateway_is_come_back_to_and_the_gap_is_seen(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with python_client(gateway, alice.token, of_user(alice.id)) as client:
        await client.subscribe()
        await client.until_served()
        await market.buy(alice.id)
        seen = (await client.next_change()).row["feed_seq"]

        gateway.kill()
        await market.buy(alice.id)
        missed = await market.feed_seq(alice.id)
        assert (await client.next_status()).status == "CHANNEL_ERROR"
        await gateway.start()
        await client.until_served_again()
        after = await market.buy(alice.id)
        row = (await client.next_change()).row
    assert (row["id"], row["feed_prev"]) == (str(after), missed)
    assert row["feed_prev"] > seen


async def test_a_gateway_that_stops_says_so(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with python_client(gateway, alice.token, of_user(alice.id)) as client:
        await client.subscribe()
        await client.until_served()
        assert await gateway.stop() == 0
        closed = await client.next_status()
        assert closed.status == "CHANNEL_ERROR"
        assert "1012" in (closed.reason or "")
        await gateway.start()
        await client.until_served_again()


@pytest.mark.parametrize(
    ("filter_", "sentence"),
    [
        ("colour=eq.red", "InvalidFilter: invalid column for filter colour"),
        (
            "sms_count=gt.many",
            "InvalidFilter: invalid input syntax for type integer in the filter on sms_count",
        ),
    ],
)
async def test_a_bad_filter_is_a_channel_error_with_the_sentence(
    gateway: GatewayProcess, alice: User, filter_: str, sentence: str
) -> None:
    binding = {**of_user(alice.id), "filter": filter_}
    async with python_client(gateway, alice.token, binding) as client:
        await client.subscribe()
        assert await client.next_status() == Status("CHANNEL_ERROR", reason(sentence))


async def test_an_expired_token_fails_the_channel_until_there_is_a_newer_one(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    short = token(alice.id, SHORT_TTL_S)
    async with python_client(gateway, short, of_user(alice.id)) as client:
        await client.subscribe()
        await client.until_served()
        expired = await client.next_status()
        assert expired == Status(
            "CHANNEL_ERROR", json.dumps({"code": 4001, "reason": "Token has expired"})
        )
        await client.client.set_auth(alice.token)
        await client.until_served_again()
        bought = await market.buy(alice.id)
        assert (await client.next_change()).row["id"] == str(bought)


async def test_a_token_renewed_in_time_interrupts_nothing(
    gateway: GatewayProcess, market: Market, alice: User, bob: User
) -> None:
    bindings = of_user(alice.id), of_user(bob.id)
    async with (
        python_client(gateway, alice.token, bindings[0]) as client,
        python_client(gateway, bob.token, bindings[1]) as witness,
    ):
        for one in (client, witness):
            await one.subscribe()
            await one.until_served()
        await client.client.set_auth(token(alice.id, SHORT_TTL_S))
        await client.client.set_auth(token(alice.id))
        await witness.client.set_auth(token(bob.id, SHORT_TTL_S))
        # The first client's short token is over by now, too.
        assert (await witness.next_status()).status == "CHANNEL_ERROR"
        await market.buy(alice.id)
        assert isinstance(await client.next(), Change)


async def test_a_channel_that_is_left_gets_nothing_more(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with (
        python_client(gateway, alice.token, of_user(alice.id)) as client,
        python_client(gateway, alice.token, of_user(alice.id)) as witness,
    ):
        for one in (client, witness):
            await one.subscribe()
            await one.until_served()
        await client.channel.unsubscribe()
        assert await client.next_status() == Status("CLOSED")
        await market.buy(alice.id)
        await witness.next_change()
        await gateway.stop()  # which ends the socket, and all that was on its way on it
        await witness.next_status()
        assert client.facts.empty()


async def test_bob_sees_nothing_of_alice(
    gateway: GatewayProcess, market: Market, alice: User, bob: User
) -> None:
    bindings = ({"event": "*", "schema": "public"}, of_user(alice.id), of_user(bob.id))
    async with python_client(gateway, bob.token, *bindings) as client:
        await client.subscribe()
        await client.until_served()
        await market.received(alice.id, "358042")

        fence = await market.buy(bob.id)
        assert (await client.next_change()).row["user_id"] == str(bob.id)
        change = await client.next_change()
        assert (change.binding, change.row["id"]) == (0, str(fence))
