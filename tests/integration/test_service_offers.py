"""The price list over HTTP: filters, order and pages."""

import httpx

from tests.market import COUNTRY, SERVICE, Market

OFFER = "insert into sonnette.offers values ('simulator', %s, %s, %s, 0.1, %s, 7)"


async def test_an_offer_says_what_will_be_charged(alice: httpx.AsyncClient) -> None:
    query = {"service_code": SERVICE, "country_code": COUNTRY}
    page = (await alice.get("/v1/offers", params=query)).json()
    assert page == {
        "items": [
            {
                "provider": "simulator",
                "service_code": SERVICE,
                "country_code": COUNTRY,
                "operator": "any",
                "price": "0.50",
                "currency": "USD",
                "stock": 1000,
            }
        ],
        "next": None,
    }


async def test_offers_are_sorted_filtered_and_paged_without_a_gap(
    alice: httpx.AsyncClient, shop: Market
) -> None:
    for service in ("go", "tg"):
        for country in ("0", "6"):
            for operator, price in (("any", "0.30"), ("one", "0.20"), ("two", "0.20")):
                await shop.poller.execute(OFFER, (service, country, operator, price))
    seen: list[tuple[str, str, str, str]] = []
    after: str | None = ""
    while after is not None:
        page = (await alice.get("/v1/offers", params={"limit": 2, "after": after})).json()
        seen += [
            (item["service_code"], item["country_code"], item["price"], item["operator"])
            for item in page["items"]
        ]
        after = page["next"]
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 13
    only = (await alice.get("/v1/offers?service_code=tg&country_code=")).json()["items"]
    assert {item["service_code"] for item in only} == {"tg"}
    assert len(only) == 6
    assert (await alice.get("/v1/offers?service_code=nope")).json() == {"items": [], "next": None}
