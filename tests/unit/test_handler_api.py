"""Every documented answer of the handler_api.php dialect, and the garbage that comes instead."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.providers import handler_api
from poller.providers.answers import (
    AccountRefused,
    ActiveList,
    AlreadyOrdered,
    Arrived,
    AskedAgain,
    Balance,
    Bought,
    Cancelled,
    Finished,
    NoMoney,
    NoNumbers,
    NotKnown,
    NotNow,
    Price,
    PriceChanged,
    PriceList,
    Refused,
    Sms,
    Unexpected,
    Waiting,
)
from poller.providers.base import Order
from poller.providers.dialects import DIALECTS
from poller.providers.handler_api import SetStatus
from poller.providers.wire import Reply

BOUGHT = (
    '{"activationId":635468024,"phoneNumber":"79584123456","activationCost":12.50,"currency":840,'
    '"countryCode":"2","canGetAnotherSms":"1","activationTime":"2022-06-01 17:30:57",'
    '"activationOperator":"mtt"}'
)


def reply(body: str | bytes, http_status: int = 200, retry_after_s: int | None = None) -> Reply:
    return Reply(http_status, body if isinstance(body, bytes) else body.encode(), retry_after_s)


def cancelled(answer: Reply) -> object:
    return handler_api.set_answer(answer, SetStatus.CANCEL)


def active(answer: Reply, dialect: str = "sms-activate") -> object:
    return handler_api.active(answer, DIALECTS[dialect])


PARSERS: tuple[Callable[[Reply], object], ...] = (
    handler_api.bought,
    handler_api.status,
    handler_api.all_sms,
    handler_api.full_sms,
    cancelled,
    active,
    handler_api.balance,
    handler_api.prices,
)


@pytest.mark.parametrize(
    ("dialect", "differs"),
    [
        ("sms-activate", {"action": "getNumberV2", "orderId": "a-reference"}),
        ("hero", {"action": "getNumberV2"}),
        ("tiger", {"action": "getNumberV2"}),
        ("grizzly", {"action": "getNumberV2"}),
        ("smsbower", {"action": "getNumberV2"}),
        ("smshub", {"action": "getNumber"}),
    ],
)
def test_a_purchase_carries_the_highest_price_and_where_it_is_known_our_reference(
    dialect: str, differs: dict[str, str]
) -> None:
    order = Order("a-reference", "wa", "6", operator=None, max_cost=Decimal("0.5050"))
    same = {"service": "wa", "country": "6", "maxPrice": "0.5050"}
    assert handler_api.buy_params(order, DIALECTS[dialect]) == same | differs


def test_a_purchase_may_name_its_operator() -> None:
    order = Order("a-reference", "wa", "6", operator="mtt", max_cost=None)
    assert handler_api.buy_params(order, DIALECTS["smshub"]) == {
        "action": "getNumber",
        "service": "wa",
        "country": "6",
        "operator": "mtt",
    }


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (BOUGHT, Bought("635468024", "79584123456", "mtt", Decimal("12.50"))),
        ("ACCESS_NUMBER:635468024:79584123456", Bought("635468024", "79584123456")),
        ('{"activationId":"9","phoneNumber":"+6281234567"}', Bought("9", "6281234567")),
        ("NO_NUMBERS", NoNumbers()),
        ("NO_BALANCE", NoMoney()),
        ("NO_BALANCE_FORWARD", NoMoney()),
        ("WRONG_MAX_PRICE:12.5", PriceChanged()),
        ("CHANNELS_LIMIT", NotNow("CHANNELS_LIMIT")),
        ('{"status":"error","error":"CHANNELS_LIMIT"}', NotNow("CHANNELS_LIMIT")),
        ("ORDER_ALREADY_EXISTS", AlreadyOrdered()),
        ("BAD_SERVICE", Refused("BAD_SERVICE")),
        ("WRONG_EXCEPTION_PHONE", Refused("WRONG_EXCEPTION_PHONE")),
        ("NOT_AVAILABLE", Refused("NOT_AVAILABLE")),
        ("UNPROCESSABLE_ENTITY:service:INVALID", Refused("UNPROCESSABLE_ENTITY")),
        ("ERROR_SQL", Unexpected("ERROR_SQL")),
        ("STATUS_OK:123456", Unexpected("STATUS_OK")),
        ('{"activationId":635468024}', Unexpected("json")),
        ('{"activationId":true,"phoneNumber":"79584123456"}', Unexpected("json")),
        ('{"activationId":"1","phoneNumber":"a house"}', Unexpected("json")),
        ("[]", Unexpected("json")),
        ("ACCESS_NUMBER:635468024", Unexpected("ACCESS_NUMBER")),
    ],
)
def test_what_a_purchase_is_answered_with(body: str, answer: object) -> None:
    assert handler_api.bought(reply(body)) == answer


@pytest.mark.parametrize(
    ("end", "lifetime_s"),
    [
        ("2022-06-01 17:50:57", 1200),
        ("2022-06-01 17:30:57", None),
        ("2022-06-01T17:50:57+03:00", None),
        ("soon", None),
    ],
)
def test_the_lifetime_is_the_span_between_the_provider_s_two_times(
    end: str, lifetime_s: int | None
) -> None:
    body = BOUGHT.replace('"activationOperator"', f'"activationEndTime":"{end}","x"')
    bought = handler_api.bought(reply(body))
    assert isinstance(bought, Bought)
    assert bought.lifetime_s == lifetime_s


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("STATUS_WAIT_CODE", Waiting()),
        ("STATUS_WAIT_RETRY:111111", Waiting(again=True)),
        ("STATUS_WAIT_RESEND", Waiting(again=True)),
        ("STATUS_OK:358042", Arrived(Sms("358042"))),
        ("STATUS_OK: G-358:042 \n", Arrived(Sms("G-358:042"))),
        ("\ufeffSTATUS_OK:358042", Arrived(Sms("358042"))),
        ("STATUS_OK:35\x008042", Arrived(Sms("358042"))),
        ("STATUS_OK:", Unexpected("STATUS_OK")),
        ("STATUS_OK:" + "9" * 5000, Unexpected("STATUS_OK")),
        ("STATUS_CANCEL", Cancelled()),
        ("NO_ACTIVATION", NotKnown()),
        ("WRONG_ACTIVATION_ID", NotKnown()),
        ("ACCESS_CANCEL", Unexpected("ACCESS_CANCEL")),
        ('{"status":"STATUS_OK"}', Unexpected("json")),
        ("358042", Unexpected("text")),
    ],
)
def test_what_a_status_question_is_answered_with(body: str, answer: object) -> None:
    assert handler_api.status(reply(body)) == answer


def test_hero_s_json_error_for_an_unknown_activation() -> None:
    body = '{"title":"NOT_FOUND","details":"no such activation","info":{}}'
    assert handler_api.status(reply(body, 404)) == NotKnown()


@pytest.mark.parametrize(
    ("asked", "body", "answer"),
    [
        (SetStatus.CANCEL, "ACCESS_CANCEL", Cancelled()),
        (SetStatus.FINISH, "ACCESS_ACTIVATION", Finished()),
        (SetStatus.RETRY, "ACCESS_RETRY_GET", AskedAgain()),
        (SetStatus.CANCEL, "ACCESS_ACTIVATION", Unexpected("ACCESS_ACTIVATION")),
        (SetStatus.CANCEL, "ACCESS_READY", Unexpected("ACCESS_READY")),
        (SetStatus.CANCEL, "EARLY_CANCEL_DENIED", Refused("EARLY_CANCEL_DENIED")),
        (SetStatus.CANCEL, "OTP_RECEIVED", Refused("OTP_RECEIVED")),
        (SetStatus.FINISH, "BAD_STATUS", Refused("BAD_STATUS")),
        (SetStatus.FINISH, "NO_ACTIVATION", NotKnown()),
        (SetStatus.CANCEL, "", Unexpected("empty")),
    ],
)
def test_what_a_change_of_status_is_answered_with(
    asked: SetStatus, body: str, answer: object
) -> None:
    assert handler_api.set_answer(reply(body), asked) == answer


def test_a_cancel_that_comes_too_early_may_say_how_old_the_number_must_be() -> None:
    body = '{"title":"EARLY_CANCEL_DENIED","details":"","info":{"minActivationTime":120}}'
    assert cancelled(reply(body, 409)) == Refused("EARLY_CANCEL_DENIED", cancel_after_s=120)


@pytest.mark.parametrize("parse", PARSERS)
def test_a_failing_server_may_say_when_to_come_back(parse: Callable[[Reply], object]) -> None:
    assert parse(reply("busy", 503, 30)) == Unexpected("http_503", 30)
    assert parse(reply("BAD_KEY", 503)) == Unexpected("http_503")
    assert parse(reply("<html>", 404, 30)) == Unexpected("http_404")


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (reply("BAD_KEY"), AccountRefused("BAD_KEY")),
        (reply("NO_KEY", 401), AccountRefused("NO_KEY")),
        (reply("BAD_ACTION"), AccountRefused("BAD_ACTION")),
        (reply("BANNED:'2026-01-01 00-00-00'"), AccountRefused("BANNED")),
        (
            reply('{"status":"error","error":"ACCOUNT_INACTIVE"}'),
            AccountRefused("ACCOUNT_INACTIVE"),
        ),
        (reply("slow down", 429, 7), AccountRefused("RATE_LIMIT", 7)),
        (reply("<html>", 429), AccountRefused("RATE_LIMIT")),
        (
            reply('{"title":"BANNED","info":{"retry_after_seconds":600}}', 403),
            AccountRefused("BANNED", 600),
        ),
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
        (reply(" \n"), "empty"),
        (reply("<html><h1>Wartung</h1></html>"), "html"),
        (reply("<html>", 404), "http_404"),
        (reply("", 302), "http_302"),
        (reply("ACCESS_CANCEL", 500), "http_500"),
        (reply("<html>Bad gateway", 502), "http_502"),
        (reply('{"status":"success","activeActivations":[{"activationId":'), "json"),
        (reply("{" * 100_000), "json"),
        (reply('{"a":' * 100_000), "json"),
        (reply('{"a":NaN}'), "json"),
        (reply("\x00\x01\x02"), "text"),
        (reply(b"\xff\xfe\xfa"), "text"),
        (reply("Your code is 358042"), "text"),
        (reply("MAINTENANCE_UNTIL_NOON:now"), "MAINTENANCE_UNTIL_NOON"),
        (reply("A" * 41), "text"),
    ],
)
def test_garbage_is_named_by_a_word_that_holds_nothing_of_it(
    parse: Callable[[Reply], object], answer: Reply, word: str
) -> None:
    assert parse(answer) == Unexpected(word)


@given(st.binary(max_size=200), st.sampled_from([200, 204, 301, 400, 404, 429, 500, 599]))
def test_no_bytes_at_all_make_a_parser_raise(body: bytes, http_status: int) -> None:
    for parse in PARSERS:
        parse(Reply(http_status, body))


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "activeActivations", "rows", "activationId", "smsCode", "smsText"]
            )
            | st.sampled_from(["phoneNumber", "cost", "count", "error", "status", "title", "info"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(SHAPES)
def test_no_document_makes_a_parser_raise(document: object) -> None:
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for parse in PARSERS:
        parse(Reply(200, body))


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("ACCESS_BALANCE:100.50", Balance(Decimal("100.50"))),
        ("ACCESS_BALANCE:0", Balance(Decimal(0))),
        ("ACCESS_BALANCE:", Unexpected("ACCESS_BALANCE")),
        ("ACCESS_BALANCE:Infinity", Unexpected("ACCESS_BALANCE")),
        ("ACCESS_BALANCE:1e400", Unexpected("ACCESS_BALANCE")),
    ],
)
def test_what_the_balance_is_answered_with(body: str, answer: object) -> None:
    assert handler_api.balance(reply(body)) == answer


def test_prices_by_country_and_service() -> None:
    whatsapp = '"wa":{"cost":0.5,"count":1000,"physicalCount":9}'
    body = f'{{"6":{{{whatsapp},"tg":{{"cost":"1.2345","count":"7"}}}}}}'
    assert handler_api.prices(reply(body)) == PriceList(
        (Price("wa", "6", Decimal("0.5"), 1000), Price("tg", "6", Decimal("1.2345"), 7))
    )


@pytest.mark.parametrize("body", ["{}", "[]"])
def test_an_empty_price_list_is_one(body: str) -> None:
    assert handler_api.prices(reply(body)) == PriceList(())


@pytest.mark.parametrize(
    "offer", ["null", "[]", '{"count":1}', '{"cost":-1,"count":1}', '{"cost":1,"count":1.5}']
)
def test_a_price_that_cannot_be_read_is_skipped_and_counted(offer: str) -> None:
    body = f'{{"6":{{"wa":{{"cost":1,"count":1}},"tg":{offer}}},"0":7}}'
    assert handler_api.prices(reply(body)) == PriceList((Price("wa", "6", Decimal(1), 1),), 2)
    assert handler_api.prices(reply(f'{{"6":{{"tg":{offer}}}}}')) == Unexpected("json")


def test_nothing_active_comes_as_text_or_as_json() -> None:
    assert active(reply("NO_ACTIVATIONS")) == ActiveList(())
    body = '{"status":"error","error":"NO_ACTIVATIONS"}'
    assert active(reply(body)) == ActiveList(())


def test_a_limit_on_numbers_that_any_other_question_meets_is_the_account_s_trouble() -> None:
    assert handler_api.status(reply("CHANNELS_LIMIT")) == AccountRefused("CHANNELS_LIMIT")


def test_no_sms_shows_in_a_repr() -> None:
    assert "358042" not in repr(handler_api.status(reply("STATUS_OK:358042")))
    assert "358042" not in repr(reply("STATUS_OK:358042"))
