"""@supabase/supabase-js, unmodified, on Node with `ws` as its transport (serializer 2.0.0)."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import pytest

from tests.gateway_process import GatewayProcess, anon_key, token
from tests.interop.conftest import User
from tests.interop.node_client import (
    BalanceUpdate,
    Change,
    Left,
    NodeClient,
    SmsReceived,
    Status,
    System,
    Toast,
    node_client,
)
from tests.interop.raw import of_user
from tests.market import Market
from tests.needs import needs_node

pytestmark = needs_node

SHORT_TTL_S = 3


def page_of(gateway: GatewayProcess, user: User) -> AbstractAsyncContextManager[NodeClient]:
    """The page of a user of the system before, as docs/protocol.md shows its subscription."""
    return node_client(
        "sms_updates.mjs", url=gateway.url, key=anon_key(), token=user.token, userId=str(user.id)
    )


def client_of(
    gateway: GatewayProcess,
    user_token: str | None,
    *bindings: Mapping[str, object],
    **asked: object,
) -> AbstractAsyncContextManager[NodeClient]:
    """A client with these bindings; None: it knows no token yet."""
    return node_client(
        "client.mjs",
        url=gateway.url, topic="my-numbers", bindings=bindings, token=user_token,
        **{"key": anon_key(), **asked},
    )  # fmt: skip


async def test_a_code_arrives_on_the_page_that_users_have(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    activation = await market.buy(alice.id)
    phone = await market.bring_number(activation)
    async with page_of(gateway, alice) as page:
        await page.until_subscribed()
        await market.bring_code(activation, "358042")
        change = await page.until(Change)
        assert (change.old["status"], change.new["status"]) == ("pending", "received")
        assert change.new["sms_code"] == "358042"
        assert await page.until(Toast) == Toast("SMS reçu !", f"Code: 358042 - {phone}")
        assert await page.until(SmsReceived) == SmsReceived("received")
        assert await page.until(BalanceUpdate) == BalanceUpdate()

        await market.note(activation, "telkomsel")  # a later change of a received row
        fence = await market.pending(alice.id)
        await market.end(fence, "cancelled")
        toast = await page.until(Toast)  # and it is shown no second time
        assert toast.title == "Annulé"


async def test_a_first_join_without_the_token_is_refused_and_the_second_has_it(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with page_of(gateway, alice) as page:
        refused = await page.until_status("CHANNEL_ERROR")
        assert refused.reason == (
            "Unauthorized: an anon key joins nothing; put the user's token into the join"
        )
        await page.until_status("SUBSCRIBED")
        await market.pending(alice.id)
        change = await page.until(Change)
        assert (change.old["status"], change.new["status"]) == ("requested", "pending")


async def test_a_token_that_comes_late_is_joined_with(gateway: GatewayProcess, alice: User) -> None:
    async with client_of(gateway, None, of_user(alice.id), key="sb_publishable_key") as client:
        refused = await client.until_status("CHANNEL_ERROR")
        assert refused.reason == "Unauthorized: no token; put the user's into the join"
        await client.renew(alice.token)
        await client.until_served()


async def test_each_kind_of_change_has_its_rows_whole_and_its_numbers_as_numbers(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with client_of(gateway, alice.token, of_user(alice.id)) as client:
        await client.until_served()
        activation = await market.pending(alice.id)
        await market.delete(activation)
        inserted, updated, deleted = [await client.until(Change) for _ in range(3)]

    assert [inserted.type, updated.type, deleted.type] == ["INSERT", "UPDATE", "DELETE"]
    assert (inserted.old, deleted.new) == ({}, {})
    assert without_numbers(updated.old) == without_numbers(inserted.new)
    assert without_numbers(deleted.old) == without_numbers(updated.new)
    assert len(without_numbers(deleted.old)) == 21
    for name, expected in {
        "price": 0.5,
        "sms_count": 0,
        "charged": False,
        "sms_code": None,
    }.items():
        assert updated.new[name] == expected
        assert type(updated.new[name]) is type(expected)
    assert isinstance(updated.new["feed_seq"], int)
    assert updated.new["feed_prev"] == inserted.new["feed_seq"]
    assert deleted.old["feed_prev"] == updated.new["feed_seq"]


async def test_bindings_get_what_each_asked_for(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    asked = (
        of_user(alice.id, "INSERT"),
        of_user(alice.id, "UPDATE"),
        {**of_user(alice.id), "filter": "status=in.(received,completed),price=lte.0.50"},
        {"event": "*", "schema": "public", "table": "messages"},
    )
    async with client_of(gateway, alice.token, *asked) as client:
        await client.until_served()
        await market.received(alice.id, "404040")
        await market.credit(alice.id, "1.00")
        got = [await client.until(Change) for _ in range(5)]
    # A statement's own change is logged after those of the statements that it caused.
    assert [change.binding for change in got] == [0, 1, 3, 1, 2]
    assert got[2].new["code"] == "404040"


async def test_nothing_is_lost_or_doubled_when_the_gateway_is_killed(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with client_of(gateway, alice.token, of_user(alice.id, since=0), cursor=True) as client:
        await client.until_served()
        before = await market.received(alice.id, "100001")
        await until_row(client, before, "received")

        gateway.kill()
        during = await market.received(alice.id, "100002")
        await client.until_status("CHANNEL_ERROR")
        await gateway.start()
        await client.until_served_again()
        after = await market.received(alice.id, "100003")
        await until_row(client, after, "received")

        life = ["requested", "pending", "received"]
        assert [(change.row["id"], change.row["status"]) for change in client.changes] == [
            (str(one), status) for one in (before, during, after) for status in life
        ]
        previous = [0, *(change.row["feed_seq"] for change in client.changes)]
        assert [change.row["feed_prev"] for change in client.changes] == previous[:-1]
        # A cursor was given from the first join on: no message said that one was lost.
        assert {one.extension for one in client.seen if isinstance(one, System)} == {
            "postgres_changes"
        }


async def test_a_client_without_a_cursor_takes_it_from_the_first_message(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    await market.pending(alice.id)
    async with client_of(gateway, alice.token, of_user(alice.id), cursor=True) as client:
        assert (await client.until_served()).feed_seq == await market.feed_seq(alice.id)
        gateway.kill()
        missed = await market.buy(alice.id)
        await gateway.start()
        assert (await client.until(Change)).row["id"] == str(missed)


async def test_a_history_that_is_over_is_resynced_from(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with client_of(gateway, alice.token, of_user(alice.id), cursor=True) as client:
        first = await client.until_served()
        gateway.kill()
        await market.pending(alice.id)
        await market.renew_history()
        await gateway.start()
        assert (await client.until_served_again()).extension == "postgres_changes"
        resync = await client.until(System)
        assert (resync.extension, resync.message) == ("resync", "other history")
        assert resync.epoch != first.epoch

        gateway.kill()  # and the cursor of the new history is a good one
        missed = await market.buy(alice.id)
        await gateway.start()
        assert (await client.until(Change)).row["id"] == str(missed)


@pytest.mark.parametrize(
    ("filter_", "reason"),
    [
        ("colour=eq.red", "InvalidFilter: invalid column for filter colour"),
        (
            "price=eq.cheap",
            "InvalidFilter: invalid input syntax for type numeric in the filter on price",
        ),
        (
            "status=fts.received",
            "InvalidFilter: unknown operator fts in the filter on status; there are eq, neq, lt, "
            "lte, gt, gte, in, like, ilike, is, match, imatch, isdistinct, and not. before any",
        ),
    ],
)
async def test_a_bad_filter_is_a_channel_error_with_the_sentence(
    gateway: GatewayProcess, alice: User, filter_: str, reason: str
) -> None:
    async with client_of(gateway, alice.token, {**of_user(alice.id), "filter": filter_}) as client:
        assert (await client.until_status("CHANNEL_ERROR")).reason == reason


async def test_a_channel_outlives_its_token_by_a_newer_one(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with client_of(gateway, alice.token, of_user(alice.id, since=0), cursor=True) as client:
        await client.until_served()
        await client.renew(token(alice.id, SHORT_TTL_S))
        expired = await client.until_status("CHANNEL_ERROR")
        assert expired.reason == "socket closed: 4001 (Token has expired)"
        missed = await market.buy(alice.id)
        await client.renew(token(alice.id))
        assert [one.row["id"] for one in [*client.changes, await client.until(Change)]] == [
            str(missed)
        ]


async def test_a_token_renewed_in_time_interrupts_nothing(
    gateway: GatewayProcess, market: Market, alice: User, bob: User
) -> None:
    async with (
        client_of(gateway, alice.token, of_user(alice.id)) as client,
        client_of(gateway, bob.token, of_user(bob.id)) as witness,
    ):
        await client.until_served()
        await witness.until_served()
        await client.renew(token(alice.id, SHORT_TTL_S))
        await client.renew(token(alice.id))
        await witness.renew(token(bob.id, SHORT_TTL_S))
        await witness.until_status("CHANNEL_ERROR")  # the first client's is over by now, too
        await market.buy(alice.id)
        assert isinstance(await client.next(), Change)


async def test_a_channel_that_is_removed_gets_nothing_more(
    gateway: GatewayProcess, market: Market, alice: User
) -> None:
    async with client_of(gateway, alice.token, of_user(alice.id)) as client:
        await client.until_served()
        await client.order(leave=True)
        assert (await client.until(Left)).answer == "ok"
        assert Status("CLOSED") in client.seen
        await market.buy(alice.id)
        await gateway.stop()  # which ends the socket, and all that was on its way on it
    assert client.changes == []


async def test_bob_sees_nothing_of_alice(
    gateway: GatewayProcess, market: Market, alice: User, bob: User
) -> None:
    bindings = ({"event": "*", "schema": "public"}, of_user(alice.id), of_user(bob.id))
    async with client_of(gateway, bob.token, *bindings) as client:
        await client.until_served()
        await market.received(alice.id, "358042")

        fence = await market.buy(bob.id)
        assert (await client.until(Change)).new["user_id"] == str(bob.id)
        change = await client.until(Change)
        assert (change.binding, change.new["id"]) == (0, str(fence))


async def until_row(client: NodeClient, activation: UUID, status: str) -> None:
    """Until the client has seen the activation with that status."""
    while True:
        row = (await client.until(Change)).row
        if (row["id"], row["status"]) == (str(activation), status):
            return


def without_numbers(row: dict[str, object]) -> dict[str, object]:
    """The row without what the feed puts into it."""
    return {name: value for name, value in row.items() if name not in ("feed_seq", "feed_prev")}
