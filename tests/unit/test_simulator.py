"""The simulated provider: the dialect's words through a number's whole life, without a clock."""

import json
import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from poller import script, simulated_api
from poller.simulated import SimulatedProvider, code_in
from poller.simulated_manners import Said

BOUGHT_AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Caller:
    """Asks one simulated provider, at so many seconds after BOUGHT_AT."""

    def __init__(self, *scripts: Mapping[str, object], max_numbers: int = 10) -> None:
        chance = random.Random(1)
        self.provider = SimulatedProvider(chance, first_id=1000, max_numbers=max_numbers)
        for said in scripts:
            self.provider.script(script.parse(json.dumps(said).encode()))

    def __call__(self, at_s: float, action: str, **params: str) -> str:
        now = BOUGHT_AT + timedelta(seconds=at_s)
        return simulated_api.answer(self.provider, {"action": action, **params}, now).body

    def buy(self, **params: str) -> dict[str, Any]:
        asked = {"service": "wa", "country": "6", **params}
        bought: dict[str, Any] = json.loads(self(0, "getNumberV2", **asked))
        return bought

    def status(self, at_s: float, id: str = "1000") -> str:
        return self(at_s, "getStatus", id=id)

    def set(self, at_s: float, status: int, id: str = "1000") -> str:
        return self(at_s, "setStatus", id=id, status=str(status))

    def row(self, at_s: float) -> dict[str, Any]:
        rows = json.loads(self(at_s, "getActiveActivations"))["activeActivations"]
        assert len(rows) == 1
        found: dict[str, Any] = rows[0]
        return found


def test_a_purchase_has_every_documented_field() -> None:
    assert Caller().buy() == {
        "activationId": 1000,
        "phoneNumber": "628144272509",
        "activationCost": 0.5,
        "currency": 840,
        "countryCode": "6",
        "canGetAnotherSms": "1",
        "activationTime": "2026-01-01 12:00:00",
        "activationOperator": "any",
    }


def test_a_six_digit_code_comes_after_three_seconds() -> None:
    ask = Caller()
    ask.buy()
    assert ask.status(2.9) == "STATUS_WAIT_CODE"
    word, _, code = ask.status(3).partition(":")
    assert word == "STATUS_OK"
    assert len(code) == 6
    assert code.isdigit()
    row = ask.row(3)
    assert row["smsCode"] == [code]
    assert row["smsText"] == [f"Your code is {code}"]


def test_the_same_seed_gives_the_same_codes_and_numbers() -> None:
    one, other = Caller(), Caller()
    assert one.buy() == other.buy()
    assert one.status(3) == other.status(3)


def test_getnumber_answers_in_one_line() -> None:
    assert Caller()(0, "getNumber", service="tg", country="0") == "ACCESS_NUMBER:1000:79144272509"


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"service": "zz"}, "BAD_SERVICE"),
        ({"service": ""}, "BAD_SERVICE"),
        ({"country": "99"}, "NO_NUMBERS"),
        ({"maxPrice": "0.49"}, "WRONG_MAX_PRICE:0.50"),
        ({"maxPrice": "cheap"}, "WRONG_MAX_PRICE:0.50"),
    ],
)
def test_a_purchase_that_cannot_be(params: dict[str, str], word: str) -> None:
    asked = {"service": "wa", "country": "6", **params}
    assert Caller()(0, "getNumberV2", **asked) == word


def test_the_same_order_is_sold_once() -> None:
    ask = Caller()
    ask.buy(orderId="mine")
    again = ask(1, "getNumberV2", service="wa", country="6", orderId="mine")
    assert again == "ORDER_ALREADY_EXISTS"
    assert len(ask.provider.numbers(BOUGHT_AT)) == 1


def test_money_is_taken_and_comes_back_with_a_cancel() -> None:
    ask = Caller()
    before = ask(0, "getBalance")
    ask.buy()
    assert before == "ACCESS_BALANCE:1000000.00"
    assert ask(0, "getBalance") == "ACCESS_BALANCE:999999.50"
    assert ask.set(1, 8) == "ACCESS_CANCEL"
    assert ask(1, "getBalance") == before
    assert ask.status(1) == "STATUS_CANCEL"
    assert ask.status(3600) == "STATUS_CANCEL"
    assert json.loads(ask(1, "getActiveActivations")) == {
        "status": "error",
        "error": "NO_ACTIVATIONS",
    }


def test_a_cancel_too_early_is_refused() -> None:
    ask = Caller({"cancel_after_s": 120, "never": True})
    ask.buy()
    assert ask.set(119, 8) == "EARLY_CANCEL_DENIED"
    assert ask.set(120, 8) == "ACCESS_CANCEL"


def test_after_the_code_it_is_finished_and_not_cancelled() -> None:
    ask = Caller()
    ask.buy()
    assert ask.set(1, 1) == "ACCESS_READY"
    assert ask.set(1, 6) == "BAD_STATUS"
    assert ask.set(1, 3) == "BAD_STATUS"
    assert ask.set(4, 8) == "BAD_STATUS"
    assert ask.set(4, 1) == "BAD_STATUS"
    assert ask.set(4, 6) == "ACCESS_ACTIVATION"
    assert ask.set(5, 6) == "BAD_STATUS"
    assert ask.status(5).startswith("STATUS_OK:")


def test_asking_for_another_shows_the_old_code_until_the_new_one_is_there() -> None:
    ask = Caller({"code": "111111", "delay_s": 1})
    ask.buy()
    assert ask.status(2) == "STATUS_OK:111111"
    assert ask.set(2, 3) == "ACCESS_RETRY_GET"
    assert ask.status(2.5) == "STATUS_WAIT_RETRY:111111"
    assert ask.row(2.5)["activationStatus"] == "3"
    assert ask.status(3).startswith("STATUS_OK:")
    assert ask.status(3) != "STATUS_OK:111111"
    assert len(ask.row(3)["smsCode"]) == 2


def test_a_scripted_second_sms_comes_by_itself() -> None:
    ask = Caller({"code": "111111", "second_sms": 5})
    ask.buy()
    assert ask.row(7.9)["smsCode"] == ["111111"]
    assert len(ask.row(8)["smsCode"]) == 2


def test_after_twenty_minutes_without_an_sms_the_provider_takes_the_number_back() -> None:
    ask = Caller({"never": True})
    ask.buy()
    assert ask.status(1199) == "STATUS_WAIT_CODE"
    assert ask.status(1200) == "STATUS_CANCEL"
    assert ask.set(1200, 8) == "BAD_STATUS"
    assert ask(1200, "getBalance") == "ACCESS_BALANCE:1000000.00"


def test_an_sms_due_before_the_end_is_there_even_if_nobody_looked_in_time() -> None:
    ask = Caller({"delay_s": 1199, "code": "111111"})
    ask.buy()
    assert ask.status(5000) == "STATUS_OK:111111"


def test_an_unknown_number_is_no_activation() -> None:
    assert Caller().status(0, id="7") == "NO_ACTIVATION"
    assert Caller().set(0, 8, id="7") == "NO_ACTIVATION"
    assert Caller()(0, "getStatus") == "NO_ACTIVATION"


def test_an_sms_without_a_code_is_shown_whole() -> None:
    ask = Caller({"text": "Welcome to the club"})
    ask.buy()
    assert ask.status(3) == "STATUS_OK:Welcome to the club"
    row = ask.row(3)
    assert row["smsCode"] == [None]
    assert row["smsText"] == ["Welcome to the club"]


def test_status_v2_and_full_sms_carry_the_text() -> None:
    ask = Caller({"code": "111111"})
    ask.buy()
    assert json.loads(ask(0, "getStatusV2", id="1000"))["sms"] is None
    assert json.loads(ask(3, "getStatusV2", id="1000"))["sms"] == {
        "dateTime": "2026-01-01 12:00:03",
        "code": "111111",
        "text": "Your code is 111111",
    }
    assert ask(3, "getFullSms", id="1000") == "FULL_SMS:Your code is 111111"


def test_prices_and_stock() -> None:
    ask = Caller()
    prices = json.loads(ask(0, "getPrices"))
    assert sorted(prices) == ["0", "6"]
    assert prices["6"]["wa"] == {"cost": 0.5, "count": 1000, "physicalCount": 1000}
    assert sorted(prices["0"]) == ["go", "tg", "wa"]
    assert json.loads(ask(0, "getPrices", service="wa", country="6")) == {
        "6": {"wa": prices["6"]["wa"]}
    }
    assert json.loads(ask(0, "getPrices", service="zz")) == {}
    assert json.loads(ask(0, "getNumbersStatus", country="6")) == {
        "wa": 1000,
        "tg": 1000,
        "go": 1000,
    }


@pytest.mark.parametrize(
    ("params", "word"),
    [({}, "NO_KEY"), ({"api_key": ""}, "NO_KEY"), ({"api_key": "other"}, "BAD_KEY")],
)
def test_a_call_without_a_right_key_is_nobody_s(params: dict[str, str], word: str) -> None:
    assert simulated_api.manners_of(params) == Said(word)


@pytest.mark.parametrize("action", ["", "getEverything", "getAllSms"])
def test_an_action_that_the_provider_does_not_have_is_refused(action: str) -> None:
    assert Caller()(0, action) == "BAD_ACTION"


def test_a_script_counts_its_times_and_the_newest_that_fits_wins() -> None:
    ask = Caller({"code": "111111"}, {"service": "tg", "code": "222222", "times": 1})
    ask.buy()
    ask(0, "getNumberV2", service="tg", country="6")
    ask(0, "getNumberV2", service="tg", country="6")
    codes = [ask.status(3, id=id) for id in ("1000", "1001", "1002")]
    assert codes == ["STATUS_OK:111111", "STATUS_OK:222222", "STATUS_OK:111111"]


def test_a_fault_is_for_its_action_and_service_and_ends_after_its_times() -> None:
    ask = Caller({"action": "getStatus", "service": "wa", "error": "ERROR_SQL", "times": 2})
    assert ask.provider.fault_for("getStatus", "tg") is None
    assert ask.provider.fault_for("setStatus", "wa") is None
    for _ in range(2):
        fault = ask.provider.fault_for("getStatus", "wa")
        assert fault is not None
        assert fault.error == "ERROR_SQL"
    assert ask.provider.fault_for("getStatus", "wa") is None


def test_a_fault_without_an_action_is_for_purchases() -> None:
    ask = Caller({"http_status": 503})
    assert ask.provider.fault_for("getStatus", "wa") is None
    assert ask.provider.fault_for("getNumberV2", "wa") is not None
    ask.provider.forget_scripts()
    assert ask.provider.fault_for("getNumberV2", "wa") is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "must be one JSON object"),
        ("[1]", "must be one JSON object"),
        ("{" * 10_000, "must be one JSON object"),
        ("{}", "says nothing"),
        ('{"times": 1}', "says nothing"),
        ('{"dealy_s": 1}', "unknown field `dealy_s`"),
        ('{"delay_s": "soon"}', "Expected `float`, got `str` - at `$.delay_s`"),
        ('{"delay_s": -1}', "`$.delay_s`"),
        ('{"delay_s": 1, "times": 0}', "`$.times`"),
        ('{"error": "NO_NUMBERS", "delay_s": 1}', "send two"),
        ('{"action": "getStatus", "delay_s": 1}', "action goes with error"),
        ('{"applied": true}', "needs error"),
        ('{"http_status": 700}', "`$.http_status`"),
    ],
)
def test_a_script_that_makes_no_sense_is_refused_with_a_sentence(body: str, sentence: str) -> None:
    with pytest.raises(script.ScriptError, match=re.escape(sentence)):
        script.parse(body.encode())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your code is 358042", "358042"),
        ("G-358042 is yours, 12:30", "358042"),
        ("pin 123", None),
        ("call 0123456789", None),
        ("1234 or 5678", "1234"),
    ],
)
def test_the_code_is_the_first_run_of_four_to_eight_digits(text: str, code: str | None) -> None:
    assert code_in(text) == code


def test_numbers_that_are_over_make_room_and_live_ones_do_not() -> None:
    ask = Caller({"never": True}, max_numbers=2)
    ask.buy(orderId="a")
    ask.buy(orderId="b")
    assert ask(0, "getNumberV2", service="wa", country="6") == "NO_NUMBERS"
    assert ask.set(1, 8) == "ACCESS_CANCEL"
    ask.buy(orderId="c")
    assert [n.id for n in ask.provider.numbers(BOUGHT_AT)] == ["1001", "1002"]
