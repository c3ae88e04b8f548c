"""What differs between the handler_api dialects, by every documented answer that only one gives."""

import json
from decimal import Decimal

import pytest

from poller.providers import handler_api
from poller.providers.answers import (
    AccountRefused,
    ActiveList,
    ActiveRow,
    Bought,
    Cancelled,
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
)
from poller.providers.dialects import DIALECTS
from poller.providers.handler_api import SetStatus
from poller.providers.wire import Reply

ROW = {"activationId": "9", "phoneNumber": "79584123456", "serviceCode": "wa", "countryCode": "2"}
READ = ActiveRow("9", "79584123456", "wa", "2")


def reply(body: object, http_status: int = 200) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(http_status, text.encode())


def hero(title: str, **info: object) -> dict[str, object]:
    return {"title": title, "details": "as the documentation has it", "info": info}


def active(dialect: str, body: object) -> object:
    return handler_api.active(reply(body), DIALECTS[dialect])


def test_what_each_dialect_can_do() -> None:
    lists = {name for name, dialect in DIALECTS.items() if dialect.has_list}
    assert lists == {"sms-activate", "hero", "tiger", "grizzly", "5sim"}
    pages = {name for name, dialect in DIALECTS.items() if dialect.page_rows}
    assert pages == {"hero", "tiger", "5sim"}
    assert {name for name, dialect in DIALECTS.items() if dialect.has_order_id} == {"sms-activate"}


@pytest.mark.parametrize(
    ("http_status", "body", "answer"),
    [
        (401, hero("BAD_KEY"), AccountRefused("BAD_KEY")),
        (404, hero("BAD_ACTION"), AccountRefused("BAD_ACTION")),
        (402, hero("NO_BALANCE"), NoMoney()),
        (400, hero("WRONG_MAX_PRICE", min=0.75), PriceChanged()),
        (403, hero("BANNED", scope="global"), AccountRefused("BANNED")),
        (403, hero("BANNED", retry_after_seconds=1800), AccountRefused("BANNED", 1800)),
        (403, hero("BANNED", scope="specific", retry_after_seconds=1800), Refused("BANNED")),
        (
            403,
            hero("CHANNELS_LIMIT", current_threads=10, max_allowed=10),
            NotNow("CHANNELS_LIMIT"),
        ),
        (403, hero("SERVICE_NOT_AVAILABLE"), Refused("SERVICE_NOT_AVAILABLE")),
        (403, hero("ACCOUNT_INACTIVE"), AccountRefused("ACCOUNT_INACTIVE")),
        (422, hero("UNPROCESSABLE_ENTITY", field="country"), Refused("UNPROCESSABLE_ENTITY")),
        (200, "UNPROCESSABLE_ENTITY:service:INVALID", Refused("UNPROCESSABLE_ENTITY")),
        (200, "NO_NUMBERS", NoNumbers()),
        (429, hero("RATE_LIMIT"), AccountRefused("RATE_LIMIT")),
        (500, hero("SERVER_ERROR"), Unexpected("http_500")),
        (400, "error code: 1020", AccountRefused("RATE_LIMIT", 10)),
        (400, "Error 1020", AccountRefused("RATE_LIMIT", 10)),
    ],
)
def test_hero_refuses_a_purchase_with_a_status_and_an_envelope(
    http_status: int, body: object, answer: object
) -> None:
    assert handler_api.bought(reply(body, http_status)) == answer


def test_hero_says_when_a_number_ends() -> None:
    body = {
        "activationId": 635468024,
        "phoneNumber": "79584123456",
        "activationCost": 12.5,
        "currency": 840,
        "countryCode": "2",
        "countryPhoneCode": "7",
        "canGetAnotherSms": True,
        "activationTime": "2026-06-01 17:30:57",
        "activationEndTime": "2026-06-01 18:15:57",
        "activationOperator": "mtt",
        "status": "4",
    }
    assert handler_api.bought(reply(body)) == Bought(
        "635468024", "79584123456", "mtt", Decimal("12.5"), lifetime_s=45 * 60
    )


@pytest.mark.parametrize(
    ("http_status", "body", "answer"),
    [
        (200, "ACCESS_CANCEL", Cancelled()),
        (404, hero("NOT_FOUND"), NotKnown()),
        (409, hero("EARLY_CANCEL_DENIED", minActivationTime=120), "early"),
        (409, hero("OTP_RECEIVED"), Refused("OTP_RECEIVED")),
        (409, hero("NEW_OTP_RECEIVED", data=[{"code": "358042"}]), Refused("NEW_OTP_RECEIVED")),
        (409, hero("FREE_CANCELLATION_EXPIRED"), Refused("FREE_CANCELLATION_EXPIRED")),
        (409, hero("ACTIVATION_NOT_ACTIVE"), Refused("ACTIVATION_NOT_ACTIVE")),
        (400, hero("BAD_STATUS"), Refused("BAD_STATUS")),
    ],
)
def test_hero_refuses_a_cancel_with_a_status_and_an_envelope(
    http_status: int, body: object, answer: object
) -> None:
    if answer == "early":
        answer = Refused("EARLY_CANCEL_DENIED", cancel_after_s=120)
    assert handler_api.set_answer(reply(body, http_status), SetStatus.CANCEL) == answer


def test_hero_lists_under_data_and_says_the_same_again_as_an_object() -> None:
    again: dict[str, object] = {"affected_rows": 0, "num_rows": 1, "row": None, "rows": []}
    body = {"status": "success", "data": [ROW], "activeActivations": again}
    assert active("hero", body) == ActiveList((READ,))


@pytest.mark.parametrize(
    ("status", "alive"), [("2", True), ("3", True), ("4", True), ("8", False), ("10", False)]
)
def test_hero_lists_numbers_that_are_over(status: str, alive: bool) -> None:
    found = active("hero", {"data": [{**ROW, "activationStatus": status}]})
    assert isinstance(found, ActiveList)
    assert found.rows[0].alive == alive


def test_an_empty_list_of_tiger_s_may_be_a_failure_of_its_own() -> None:
    empty = {"status": "success", "data": []}
    assert active("tiger", empty) == ActiveList((), whole=False)
    assert active("hero", empty) == ActiveList(())
    assert active("tiger", {"status": "success", "data": [ROW]}) == ActiveList((READ,))


@pytest.mark.parametrize(
    ("status", "alive"),
    [(1, True), (2, True), (3, True), (6, False), (7, False), (8, False)],
)
def test_tiger_has_status_numbers_of_its_own(status: int, alive: bool) -> None:
    found = active("tiger", {"data": [{**ROW, "activationStatus": status}]})
    assert isinstance(found, ActiveList)
    assert found.rows[0].alive == alive


def test_grizzly_sends_the_bare_list() -> None:
    row = {**ROW, "smsCode": "358042", "smsText": "Your code is 358042"}
    found = active("grizzly", [row])
    assert isinstance(found, ActiveList)
    assert found.rows[0].sms == (Sms("358042", "Your code is 358042"),)


def test_smshub_s_prices_are_steps_and_the_cheapest_that_is_there_counts() -> None:
    steps = {"0.0200": 0, "0.0250": 7, "1": 900}
    assert handler_api.prices(reply({"6": {"wa": steps}})) == PriceList(
        (Price("wa", "6", Decimal("0.025"), 7),)
    )


def test_a_service_of_smshub_s_without_stock_is_listed_with_none() -> None:
    assert handler_api.prices(reply({"6": {"wa": {"0.02": 0}}})) == PriceList(
        (Price("wa", "6", Decimal("0.02"), 0),)
    )


@pytest.mark.parametrize("steps", [{}, {"cheap": 1}, {"0.02": "many"}])
def test_steps_that_cannot_be_read_are_skipped(steps: object) -> None:
    found = handler_api.prices(reply({"6": {"wa": {"cost": 1, "count": 1}, "tg": steps}}))
    assert found == PriceList((Price("wa", "6", Decimal(1), 1),), skipped=1)
