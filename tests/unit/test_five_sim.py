"""Every documented answer of 5sim, and the garbage that comes instead."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.providers import five_sim
from poller.providers.answers import (
    AccountRefused,
    ActiveList,
    ActiveRow,
    Arrived,
    AskedAgain,
    Balance,
    Bought,
    Cancelled,
    Finished,
    NoMoney,
    NoNumbers,
    NotKnown,
    Price,
    PriceList,
    Refused,
    Sms,
    Unexpected,
    Waiting,
)
from poller.providers.base import Order
from poller.providers.five_sim_orders import Orders
from poller.providers.wire import Reply

FIRST = {
    "created_at": "2018-10-13T08:20:38.809469028Z",
    "date": "2018-10-13T08:19:38Z",
    "sender": "VKcom",
    "text": "VK: 09363 - use this code to reclaim your suspended profile.",
    "code": "09363",
}
SECOND = {**FIRST, "created_at": "2018-10-13T08:21:38Z", "text": "VK: 1111", "code": "1111"}
FIRST_READ = Sms("09363", "VK: 09363 - use this code to reclaim your suspended profile.")
SECOND_READ = Sms("1111", "VK: 1111")
PARSERS: tuple[Callable[[Reply], object], ...] = (
    five_sim.bought,
    five_sim.status,
    five_sim.cancelled,
    five_sim.finished,
    five_sim.collecting,
    five_sim.orders,
    five_sim.balance,
    five_sim.prices,
)


def order(status: str = "RECEIVED", **fields: object) -> dict[str, object]:
    return {
        "id": 11631253,
        "phone": "+447350690992",
        "operator": "vodafone",
        "product": "vkontakte",
        "price": 33.5,
        "status": status,
        "expires": "2018-10-13T08:28:38.809469028Z",
        "sms": None,
        "created_at": "2018-10-13T08:13:38.809469028Z",
        "forwarding": False,
        "forwarding_number": "",
        "country": "england",
        **fields,
    }


def reply(body: object, http_status: int = 200, retry_after_s: int | None = None) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(http_status, text.encode(), retry_after_s)


def test_a_purchase_names_country_and_product_and_the_highest_price() -> None:
    wanted = Order("a-reference", "vkontakte", "england", None, Decimal("33.5000"))
    assert five_sim.buy_path(wanted) == "/user/buy/activation/england/any/vkontakte"
    assert five_sim.buy_params(wanted) == {"maxPrice": "33.5000"}
    odd = Order("a-reference", "../cancel/1", "a?b", None, None)
    assert five_sim.buy_path(odd) == "/user/buy/activation/a%3Fb/any/..%2Fcancel%2F1"


@pytest.mark.parametrize(
    ("http_status", "body", "answer"),
    [
        (200, order("PENDING"), "bought"),
        (200, order("RECEIVED"), "bought"),
        (200, "no free phones", NoNumbers()),
        (400, "no free phones", NoNumbers()),
        (400, "not enough user balance", NoMoney()),
        (400, "not enough rating", Refused("NOT_ENOUGH_RATING")),
        (400, "select country", Refused("SELECT_COUNTRY")),
        (400, "select operator", Refused("SELECT_OPERATOR")),
        (400, "bad country", Refused("BAD_COUNTRY")),
        (400, "bad operator", Refused("BAD_OPERATOR")),
        (400, "no product", Refused("NO_PRODUCT")),
        (400, "country is incorrect", Refused("COUNTRY_IS_INCORRECT")),
        (400, "product is incorrect", Refused("PRODUCT_IS_INCORRECT")),
        (400, "server offline", Unexpected("SERVER_OFFLINE")),
        (400, "internal error", Unexpected("INTERNAL_ERROR")),
        (503, "ip address limit is 100 requests per second", Unexpected("http_503")),
        (200, {"id": 11631253}, Unexpected("json")),
        (200, order("SOLD"), Unexpected("json")),
        (200, "ACCESS_NUMBER:1:79584123456", Unexpected("text")),
    ],
)
def test_what_a_purchase_is_answered_with(http_status: int, body: object, answer: object) -> None:
    if answer == "bought":
        answer = Bought("11631253", "447350690992", "vodafone", Decimal("33.5"), lifetime_s=900)
    assert five_sim.bought(reply(body, http_status)) == answer


def told(newest: Sms, earlier: tuple[Sms, ...] = ()) -> Arrived:
    """5sim tells every SMS of a number."""
    return Arrived(newest, earlier, whole=True)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (order("PENDING"), Waiting()),
        (order("RECEIVED"), Waiting()),
        (order("RECEIVED", sms=[]), Waiting()),
        (order("RECEIVED", sms=[{**FIRST, "code": "", "text": ""}]), Waiting()),
        (order("RECEIVED", sms=[FIRST]), told(FIRST_READ)),
        (order("FINISHED", sms=[FIRST]), told(FIRST_READ)),
        (order("TIMEOUT", sms=[FIRST]), told(FIRST_READ)),
        (order("RECEIVED", sms=[FIRST, SECOND]), told(SECOND_READ, (FIRST_READ,))),
        (order("RECEIVED", sms=[SECOND, FIRST]), told(SECOND_READ, (FIRST_READ,))),
        (order("RECEIVED", sms=[{**FIRST, "code": ""}]), told(Sms(None, FIRST["text"]))),
        (order("RECEIVED", sms=[{"code": 7}, {"code": 8}]), told(Sms("8"), (Sms("7"),))),
        (order("CANCELED"), Cancelled()),
        (order("TIMEOUT"), Cancelled()),
        (order("BANNED"), Cancelled()),
        (order("RECEIVED", sms={}), Unexpected("json")),
        (order("RECEIVED", sms=[7]), Unexpected("json")),
        ([], Unexpected("json")),
    ],
)
def test_what_a_check_is_answered_with(body: object, answer: object) -> None:
    assert five_sim.status(reply(body)) == answer


def test_too_many_questions_from_one_address_are_a_503_that_may_say_for_how_long() -> None:
    assert five_sim.status(reply("limit", 503, 7)) == Unexpected("http_503", 7)


@pytest.mark.parametrize("http_status", [400, 404])
@pytest.mark.parametrize("parse", [five_sim.status, five_sim.cancelled, five_sim.finished])
def test_an_order_that_is_not_known(parse: Callable[[Reply], object], http_status: int) -> None:
    assert parse(reply("order not found", http_status)) == NotKnown()


@pytest.mark.parametrize(
    ("parse", "http_status", "body", "answer"),
    [
        (five_sim.cancelled, 200, order("CANCELED"), Cancelled()),
        (five_sim.cancelled, 200, order("BANNED"), Cancelled()),
        (five_sim.cancelled, 200, order("RECEIVED"), Unexpected("json")),
        (five_sim.cancelled, 400, "order has sms", Refused("ORDER_HAS_SMS")),
        (five_sim.cancelled, 400, "order expired", Refused("ORDER_EXPIRED")),
        (five_sim.cancelled, 400, "hosting order", Refused("HOSTING_ORDER")),
        (five_sim.cancelled, 400, "you need to wait time", Refused("EARLY_CANCEL_DENIED")),
        (five_sim.finished, 200, order("FINISHED"), Finished()),
        (five_sim.finished, 400, "order no sms", Refused("ORDER_NO_SMS")),
        (five_sim.finished, 400, "internal error", Unexpected("INTERNAL_ERROR")),
        (five_sim.collecting, 200, order("RECEIVED", sms=[FIRST]), AskedAgain()),
        (five_sim.collecting, 200, order("FINISHED"), Refused("ORDER_FINISHED")),
    ],
)
def test_what_an_ending_is_answered_with(
    parse: Callable[[Reply], object], http_status: int, body: object, answer: object
) -> None:
    assert parse(reply(body, http_status)) == answer


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (reply("", 401), AccountRefused("UNAUTHORIZED")),
        (reply("api limit is 100 requests per second", 429), AccountRefused("RATE_LIMIT")),
        (reply("", 429, 600), AccountRefused("RATE_LIMIT", 600)),
    ],
)
def test_an_account_that_is_not_served_is_told_apart_everywhere(
    parse: Callable[[Reply], object], answer: Reply, refused: object
) -> None:
    assert parse(answer) == refused


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (reply(""), "empty"),
        (reply("<html>"), "html"),
        (reply("<html>", 404), "http_404"),
        (reply("", 502), "http_502"),
        (reply('{"id":1'), "json"),
        (reply("BAD_KEY"), "text"),
        (reply("Your code is 358042"), "text"),
        (reply("the moon is full"), "THE_MOON_IS_FULL"),
    ],
)
def test_garbage_is_named_by_a_word_that_holds_nothing_of_it(
    parse: Callable[[Reply], object], answer: Reply, word: str
) -> None:
    assert parse(answer) == Unexpected(word)


def test_a_page_of_orders_with_its_span() -> None:
    older = order("FINISHED", id=1, created_at="2018-10-13T07:00:00Z", sms=[FIRST])
    page = {"Data": [order(), older, {"id": None}], "Total": 3}
    assert five_sim.orders(reply(page)) == Orders(
        ActiveList(
            (
                ActiveRow("11631253", "447350690992", "vkontakte", "england"),
                ActiveRow("1", "447350690992", "vkontakte", "england", (FIRST_READ,), alive=False),
            ),
            skipped=1,
        ),
        newest=datetime(2018, 10, 13, 8, 13, 38, 809469, UTC),
        oldest=datetime(2018, 10, 13, 7, 0, tzinfo=UTC),
    )


def test_no_orders_are_a_page_too() -> None:
    assert five_sim.orders(reply({"Data": [], "Total": 0})) == Orders(ActiveList(()))
    assert five_sim.orders(reply({"Data": [{}], "Total": 1})) == Unexpected("json")


def test_the_list_reaches_back_as_far_as_a_number_lives() -> None:
    newest = datetime(2026, 1, 1, tzinfo=UTC)
    assert not five_sim.reaches_back(newest, newest - timedelta(minutes=29))
    assert five_sim.reaches_back(newest, newest - timedelta(minutes=30))
    assert not five_sim.reaches_back(newest, None)


def test_prices_are_of_the_cheapest_operator_that_has_any() -> None:
    operators = {
        "virtual4": {"cost": 4, "count": 1260, "rate": 99.99},
        "virtual59": {"cost": 3.5, "count": 0},
        "vodafone": {"cost": 9, "count": 2},
    }
    body = {"england": {"facebook": operators, "lost": {"x": {"cost": -1, "count": 1}}}}
    assert five_sim.prices(reply(body)) == PriceList(
        (Price("facebook", "england", Decimal(4), 1260),), skipped=1
    )
    sold_out = {"england": {"facebook": {"virtual59": {"cost": 3.5, "count": 0}}}}
    assert five_sim.prices(reply(sold_out)) == PriceList(
        (Price("facebook", "england", Decimal("3.5"), 0),)
    )


@pytest.mark.parametrize("body", ["null", "{}"])
def test_no_prices_are_a_list(body: str) -> None:
    assert five_sim.prices(reply(body)) == PriceList(())


def test_the_balance_stands_in_the_profile() -> None:
    profile = {"id": 1, "email": "mail@gmail.com", "balance": 100.5, "rating": 96}
    assert five_sim.balance(reply(profile)) == Balance(Decimal("100.5"))
    assert five_sim.balance(reply({"id": 1})) == Unexpected("json")


@given(st.binary(max_size=200), st.sampled_from([200, 204, 301, 400, 401, 404, 429, 500, 599]))
def test_no_bytes_at_all_make_a_parser_raise(body: bytes, http_status: int) -> None:
    for parse in PARSERS:
        parse(Reply(http_status, body))


NAMES = st.sampled_from([*order(), "Data", "Total", "code", "text", "cost", "count"])
SHAPES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["RECEIVED", "FINISHED", "2018-10-13T08:13:38Z", "+447350690992"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=8)
    ),
    max_leaves=16,
)


@given(SHAPES)
def test_no_document_makes_a_parser_raise(document: object) -> None:
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for parse in PARSERS:
        parse(Reply(200, body))
