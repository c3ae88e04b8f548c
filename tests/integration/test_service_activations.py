"""Buying, listing and looking at activations over HTTP."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from service.payloads import Activation
from tests.facts import eventually
from tests.fixtures.service import RunningService
from tests.market import COUNTRY, SERVICE, Market

NUMBER = {"service_code": SERVICE, "country_code": COUNTRY}
COLUMNS = list(Activation.__struct_fields__)


async def buy(client: httpx.AsyncClient, wait_s: int = 0, **more: str) -> httpx.Response:
    return await client.post(
        "/v1/activations", json={**NUMBER, **more}, headers={"Prefer": f"wait={wait_s}"}
    )


async def user_of(client: httpx.AsyncClient) -> UUID:
    return UUID((await client.get("/v1/me")).json()["user_id"])


async def requested(shop: Market, user: UUID) -> UUID:
    """The user's activation that has no number yet, once it is there."""

    async def find() -> UUID | None:
        cursor = await shop.operator.execute(
            "select id from public.activations where user_id = %s and status = 'requested'", (user,)
        )
        row = await cursor.fetchone()
        return row[0] if row else None

    found = await eventually(find)
    assert found is not None
    return found


async def test_a_purchase_without_a_wait_is_202_with_its_place_and_its_number(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    answer = await buy(alice)
    assert answer.status_code == 202, answer.text
    bought = answer.json()
    assert list(bought) == COLUMNS
    assert bought["status"] == "requested"
    assert (bought["price"], bought["frozen_amount"]) == ("0.50", "0.50")
    assert bought["created_at"].endswith("Z")
    assert answer.headers["location"] == f"/v1/activations/{bought['id']}"
    seq = int(answer.headers["sonnette-feed-seq"])
    user = await user_of(alice)
    assert seq == await shop.feed_seq(user)
    record, _old = await shop.row_on_feed(user, seq)
    assert bought["id"] in record


async def test_a_purchase_is_201_as_soon_as_the_number_is_there(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    buying = asyncio.create_task(buy(alice, wait_s=30))
    activation = await requested(shop, user)
    phone = await shop.bring_number(activation)
    answer = await asyncio.wait_for(buying, 5)
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "pending"
    assert answer.json()["phone"] == phone
    assert int(answer.headers["sonnette-feed-seq"]) == await shop.feed_seq(user)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("no_numbers", "no_numbers"),
        ("price_changed", "price_changed"),
        ("provider_error", "provider_error"),
        ("no_balance", "provider_error"),
    ],
)
async def test_a_purchase_that_fails_while_waiting_is_409_and_the_money_is_back(
    alice: httpx.AsyncClient, shop: Market, failure: str, code: str
) -> None:
    user = await user_of(alice)
    buying = asyncio.create_task(buy(alice, wait_s=30))
    activation = await requested(shop, user)
    await shop.poller.execute("select sonnette.purchase_failed(%s, %s)", (activation, failure))
    answer = await asyncio.wait_for(buying, 5)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert answer.json()["activation_id"] == str(activation)
    assert int(answer.headers["sonnette-feed-seq"]) == await shop.feed_seq(user)
    me = (await alice.get("/v1/me")).json()
    assert (me["balance"], me["frozen"], me["available"]) == ("10.00", "0.00", "10.00")


async def test_buying_freezes_the_price_and_the_seq_of_me_includes_it(
    alice: httpx.AsyncClient,
) -> None:
    bought = await buy(alice)
    me = (await alice.get("/v1/me")).json()
    assert (me["balance"], me["frozen"], me["available"]) == ("10.00", "0.50", "9.50")
    assert me["currency"] == "USD"
    assert me["feed_seq"] == int(bought.headers["sonnette-feed-seq"])


async def test_twenty_purchases_at_once_spend_what_there_is_and_not_more(
    service: RunningService, shop: Market
) -> None:
    async with service.user(await shop.new_user("5.00")) as client:
        answers = await asyncio.gather(*(buy(client) for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [202] * 10 + [402] * 10
        me = (await client.get("/v1/me")).json()
    assert (me["balance"], me["frozen"], me["available"]) == ("5.00", "5.00", "0.00")
    seqs = [int(a.headers["sonnette-feed-seq"]) for a in answers if a.status_code == 202]
    assert len(set(seqs)) == 10


async def test_not_enough_money_is_402_and_says_how_much(
    service: RunningService, shop: Market
) -> None:
    async with service.user(await shop.new_user("0.30")) as poor:
        answer = await buy(poor)
        assert answer.status_code == 402
        assert (answer.json()["needed"], answer.json()["available"]) == ("0.50", "0.30")
        assert answer.json()["code"] == "not_enough_money"
        assert (await poor.get("/v1/activations")).json()["items"] == []


@pytest.mark.parametrize(
    "asked", [{"service_code": "nope"}, {"country_code": "no such"}, {"operator": "nobody"}]
)
async def test_what_is_not_on_offer_is_404(alice: httpx.AsyncClient, asked: dict[str, str]) -> None:
    answer = await buy(alice, 0, **asked)
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_offer"


async def test_a_price_over_the_limit_is_409_with_the_price(alice: httpx.AsyncClient) -> None:
    answer = await buy(alice, max_price="0.49")
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["price"]) == ("price_changed", "0.50")
    assert (await buy(alice, max_price="0.50")).status_code == 202


async def test_nothing_in_stock_is_409(alice: httpx.AsyncClient, shop: Market) -> None:
    await shop.poller.execute("update sonnette.offers set stock = 0")
    answer = await buy(alice)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_numbers")


async def test_an_activation_is_shown_with_its_messages(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.received(await user_of(alice), "358042")
    shown = (await alice.get(f"/v1/activations/{activation}")).json()
    assert list(shown) == [*COLUMNS, "messages"]
    assert (shown["status"], shown["sms_code"], shown["charged"]) == ("received", "358042", True)
    [message] = shown["messages"]
    assert message["code"] == "358042"
    assert message["text"] == "Your code is 358042"
    assert message["activation_id"] == str(activation)
    assert message["received_at"] == shown["sms_received_at"]


async def test_someone_elses_activation_is_as_unknown_as_none(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    async with service.user(await shop.new_user()) as bob:
        for what in (str(activation), str(uuid4()), "not-an-id"):
            for method, path in (
                ("GET", f"/v1/activations/{what}"),
                ("POST", f"/v1/activations/{what}/check"),
                ("POST", f"/v1/activations/{what}/cancel"),
                ("POST", f"/v1/activations/{what}/finish"),
            ):
                answer = await bob.request(method, path)
                assert (answer.status_code, answer.json()["code"]) == (404, "unknown_activation")
    assert (await alice.get(f"/v1/activations/{activation}")).json()["status"] == "pending"


async def test_a_list_is_paged_without_a_gap_newest_first(alice: httpx.AsyncClient) -> None:
    bought = [(await buy(alice)).json()["id"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        page = (await alice.get(f"/v1/activations?limit=2&after={after}")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == bought[::-1]


async def test_rows_of_one_instant_are_paged_too(alice: httpx.AsyncClient, shop: Market) -> None:
    for _ in range(3):
        await buy(alice)
    await shop.operator.execute("update public.activations set created_at = '2026-01-01Z'")
    seen, after = set(), ""
    for _ in range(3):
        page = (await alice.get(f"/v1/activations?limit=1&after={after}")).json()
        seen |= {item["id"] for item in page["items"]}
        after = page["next"] or ""
    assert len(seen) == 3
    assert after == ""


async def test_a_list_may_be_of_some_statuses(alice: httpx.AsyncClient, shop: Market) -> None:
    user = await user_of(alice)
    received, pending = await shop.received(user, "111111"), await shop.pending(user)
    await buy(alice)
    page = (await alice.get("/v1/activations?status=received,pending")).json()
    assert [item["id"] for item in page["items"]] == [str(pending), str(received)]
    page = (await alice.get("/v1/activations?status=received&limit=&after=")).json()
    assert [item["id"] for item in page["items"]] == [str(received)]


async def test_a_list_and_its_seq_are_of_one_snapshot(
    service: RunningService, shop: Market
) -> None:
    """While someone buys all the time, each list holds exactly what its feed_seq says."""
    user = await shop.new_user("50.00")
    async with service.user(user) as client:
        before = await shop.feed_seq(user)
        buying = asyncio.create_task(buy_many(client, 30))
        while not buying.done():
            page = (await client.get("/v1/activations?limit=1000")).json()
            # Each purchase is two changes: the wallet's and the activation's own.
            assert page["feed_seq"] == before + 2 * len(page["items"])
        await buying


async def buy_many(client: httpx.AsyncClient, times: int) -> None:
    for _ in range(times):
        assert (await buy(client)).status_code == 202


async def test_bob_sees_nothing_of_alice(
    service: RunningService, alice: httpx.AsyncClient, shop: Market
) -> None:
    await shop.received(await user_of(alice), "358042")
    async with service.user(await shop.new_user()) as bob:
        assert (await bob.get("/v1/activations")).json()["items"] == []
        changes = (await bob.get("/v1/changes?after=0")).json()["changes"]
        assert {change["table"] for change in changes} == {"wallets"}


async def test_a_user_of_whom_nobody_has_heard_has_nothing(service: RunningService) -> None:
    stranger = uuid4()
    async with service.user(stranger) as client:
        me = (await client.get("/v1/me")).json()
        assert (me["user_id"], me["balance"], me["feed_seq"]) == (str(stranger), "0.00", 0)
        assert (await client.get("/v1/activations")).json()["items"] == []


async def test_an_operators_update_is_what_the_api_shows(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    activation = await shop.pending(await user_of(alice))
    await shop.operator.execute(
        "update public.activations set status = 'cancelling' where id = %s", (activation,)
    )
    assert (await alice.get(f"/v1/activations/{activation}")).json()["status"] == "cancelling"


async def test_a_purchase_waits_in_line_while_someone_holds_the_wallet(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    user = await user_of(alice)
    async with shop.operator.transaction():
        await shop.operator.execute("select sonnette.credit(%s, 1, 'off to lunch')", (user,))
        buying = asyncio.create_task(buy(alice))
        # Reads go on meanwhile.
        assert (await alice.get("/v1/me")).status_code == 200
        assert not buying.done()
    assert (await buying).status_code == 202
