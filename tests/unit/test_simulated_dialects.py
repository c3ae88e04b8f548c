"""The simulated providers beside SMS-Activate's: their words, envelopes and HTTP status codes."""

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from poller import script, simulated_api, simulated_five_sim
from poller.simulated import SimulatedProvider
from poller.simulated_accounts import Accounts
from poller.simulated_chaos import Chaos, Rates
from poller.simulated_manners import BY_DIALECT, Said

BOUGHT_AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class Caller:
    """Asks one dialect's provider, at so many seconds after BOUGHT_AT."""

    def __init__(self, dialect: str, *scripts: Mapping[str, object]) -> None:
        self.accounts = Accounts(SimulatedProvider(random.Random(1), first_id=1000))
        self.manners = BY_DIALECT.get(dialect)
        self.provider = self.accounts.of[dialect]
        for said in scripts:
            self.accounts.script(script.parse(json.dumps(said).encode()))

    def __call__(self, at_s: float, action: str, **params: str) -> Said:
        assert self.manners is not None
        now = BOUGHT_AT + timedelta(seconds=at_s)
        return simulated_api.answer(self.provider, {"action": action, **params}, now, self.manners)

    def json(self, at_s: float, action: str, **params: str) -> Any:
        return json.loads(self(at_s, action, **params).body)

    def buy(self, count: int = 1) -> None:
        action = "getNumberV2" if self.manners and self.manners.dialect != "smshub" else "getNumber"
        for _ in range(count):
            self(0, action, service="wa", country="6")

    def rest(self, at_s: float, path: str, key: str | None = "demo", **params: str) -> Said:
        now = BOUGHT_AT + timedelta(seconds=at_s)
        bearer = None if key is None else f"Bearer {key}"
        return simulated_five_sim.answer(self.provider, tuple(path.split("/")), params, bearer, now)


def title(said: Said) -> tuple[int, str, dict[str, object]]:
    body = json.loads(said.body)
    assert set(body) == {"title", "details", "info"}
    return said.http_status, body["title"], body["info"]


def test_hero_refuses_with_an_http_status_and_an_envelope() -> None:
    ask = Caller("hero", {"cancel_after_s": 120})
    ask.buy()
    assert title(ask(0, "getEverything")) == (404, "BAD_ACTION", {})
    assert title(ask(0, "getStatus", id="7")) == (404, "NOT_FOUND", {})
    early = title(ask(1, "setStatus", id="1000", status="8"))
    assert early == (409, "EARLY_CANCEL_DENIED", {"minActivationTime": 120})
    assert title(ask(1, "setStatus", id="1000", status="1")) == (400, "BAD_STATUS", {})
    assert title(ask(1, "setStatus", id="1000", status="6")) == (400, "BAD_STATUS", {})
    assert title(ask(4, "setStatus", id="1000", status="8")) == (409, "OTP_RECEIVED", {})
    assert ask(5, "setStatus", id="1000", status="6") == Said("ACCESS_ACTIVATION")
    over = title(ask(6, "setStatus", id="1000", status="8"))
    assert over == (409, "ACTIVATION_NOT_ACTIVE", {})
    dear = ask(0, "getNumberV2", service="wa", country="6", maxPrice="0.1")
    assert title(dear) == (400, "WRONG_MAX_PRICE", {"min": 0.5})
    field = {"field": "service", "code": "INVALID"}
    assert title(ask(0, "getNumberV2", service="zz")) == (422, "UNPROCESSABLE_ENTITY", field)


def test_a_wrong_key_is_refused_in_the_dialect_that_it_ends_with() -> None:
    refused = simulated_api.manners_of({"api_key": "wrong-hero"})
    assert isinstance(refused, Said)
    assert title(refused) == (401, "BAD_KEY", {})
    assert simulated_api.manners_of({"api_key": "wrong-tiger"}) == Said("BAD_KEY")


def test_two_refusals_of_hero_s_are_words_all_the_same() -> None:
    ask = Caller("hero")
    assert ask(0, "getNumberV2", service="wa", country="99") == Said("NO_NUMBERS")
    bad = ask(0, "getNumber", service="zz")
    assert bad == Said("UNPROCESSABLE_ENTITY:service:INVALID")


def test_hero_lists_under_data_in_pages_with_an_object_beside() -> None:
    ask = Caller("hero")
    ask.buy(120)
    page = ask.json(0, "getActiveActivations", start="0", limit="500")
    assert len(page["data"]) == 100
    assert set(page["activeActivations"]) == {"affected_rows", "num_rows", "row", "rows"}
    assert len(ask.json(0, "getActiveActivations", start="100", limit="100")["data"]) == 20
    assert ask.json(0, "getActiveActivations", start="200")["data"] == []


def test_hero_tells_the_end_of_a_number_and_knows_no_order_id() -> None:
    ask = Caller("hero", {"lifetime_s": 2700})
    wanted = {"service": "wa", "country": "6", "orderId": "mine"}
    bought = ask.json(0, "getNumberV2", **wanted)
    assert bought["activationEndTime"] == "2026-01-01 12:45:00"
    assert "activationId" in ask.json(1, "getNumberV2", **wanted)


def test_hero_s_sms_stand_in_data_and_all_of_them_in_getallsms() -> None:
    ask = Caller("hero", {"code": "111111", "second_sms": 5})
    ask.buy()
    assert ask.json(0, "getStatusV2", id="1000") == {"verificationType": "sms", "data": None}
    newest = ask.json(9, "getStatusV2", id="1000")["data"]
    assert newest["type"] == "sms"
    every = ask.json(9, "getAllSms", id="1000")
    assert [sms["code"] for sms in every["data"]] == ["111111", newest["code"]]
    assert every["meta"] == {"total": 2}
    assert len(ask.json(9, "getAllSms", id="1000", size="1", page="2")["data"]) == 1


def test_hero_ends_a_number_without_a_body() -> None:
    ask = Caller("hero")
    ask.buy(2)
    assert ask(1, "cancelActivation", id="1000") == Said("", 204)
    assert ask(4, "finishActivation", id="1001") == Said("", 204)
    assert title(ask(4, "finishActivation", id="1000"))[0] == 409


def test_tiger_lists_pages_of_fifty_with_status_numbers_of_its_own() -> None:
    ask = Caller("tiger")
    ask.buy(60)
    page = ask.json(0, "getActiveActivations")
    assert page["status"] == "success"
    assert len(page["data"]) == 50
    assert page["data"][0]["activationStatus"] == "1"
    assert ask(1, "getStatus", id="7") == Said("NO_ACTIVATION")
    assert ask(1, "setStatus", id="1001", status="-1") == Said("ACCESS_CANCEL")
    assert ask.json(5, "getActiveActivations")["data"][0]["activationStatus"] == "2"


def test_grizzly_sends_the_bare_list() -> None:
    ask = Caller("grizzly")
    assert ask.json(0, "getActiveActivations") == []
    ask.buy()
    (row,) = ask.json(0, "getActiveActivations")
    assert row["activationId"] == "1000"


def test_smsbower_has_no_list() -> None:
    ask = Caller("smsbower")
    assert ask(0, "getActiveActivations") == Said("BAD_ACTION")
    assert "activationId" in ask.json(0, "getNumberV2", service="wa", country="6")
    assert ask(0, "getNumberV2", service="zz") == Said("BAD_SERVICE")


def test_smshub_has_the_oldest_actions_alone_and_prices_in_steps() -> None:
    ask = Caller("smshub")
    for action in ("getNumberV2", "getStatusV2", "getActiveActivations", "getFullSms"):
        assert ask(0, action) == Said("BAD_ACTION")
    assert ask(0, "getNumber", service="wa", country="6").body.startswith("ACCESS_NUMBER:1000:62")
    assert ask.json(0, "getPrices")["6"]["wa"] == {"0.5000": 1000}


def test_no_id_is_sold_twice_over_all_dialects() -> None:
    accounts = Accounts(SimulatedProvider(random.Random(1), first_id=1000))
    ids = [
        provider.buy("wa", "6", None, simulated_api.NO_LIMIT, BOUGHT_AT).id
        for provider in accounts.of.values()
    ]
    assert ids == [str(1000 + n) for n in range(7)]
    assert len(accounts.numbers(BOUGHT_AT)) == 7


def test_a_script_may_be_for_one_dialect() -> None:
    ask = Caller("hero", {"dialect": "hero", "error": "NO_NUMBERS"})
    assert ask.accounts.of["tiger"].fault_for("getNumber", "wa") is None
    assert ask.provider.fault_for("getNumber", "wa") is not None


def test_5sim_sells_waits_and_shows_what_came() -> None:
    ask = Caller("5sim", {"code": "111111", "second_sms": 2})
    bought = json.loads(ask.rest(0, "user/buy/activation/indonesia/any/whatsapp").body)
    assert set(bought) == {
        *("id", "phone", "operator", "product", "price", "status", "expires", "sms"),
        *("created_at", "forwarding", "forwarding_number", "country"),
    }
    assert bought["status"] == "RECEIVED"
    assert bought["sms"] is None
    assert bought["expires"] == "2026-01-01T12:20:00.000000000Z"
    one = json.loads(ask.rest(3, "user/check/1000").body)["sms"]
    assert [sms["code"] for sms in one] == ["111111"]
    both = json.loads(ask.rest(5, "user/finish/1000").body)
    assert both["status"] == "FINISHED"
    assert len(both["sms"]) == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("user/buy/activation/atlantis/any/whatsapp", Said("bad country", 400, "text/plain")),
        ("user/buy/activation/russia/none/whatsapp", Said("bad operator", 400, "text/plain")),
        ("user/buy/activation/russia/any/pigeon", Said("no product", 400, "text/plain")),
        ("user/check/7", Said("order not found", 404, "text/plain")),
        ("user/cancel/7", Said("order not found", 400, "text/plain")),
        ("user/dance/7", Said("404 page not found", 404, "text/plain")),
        ("guest/prices", "json"),
    ],
)
def test_5sim_refuses_in_plain_text(path: str, said: object) -> None:
    found = Caller("5sim").rest(0, path)
    assert (found if said != "json" else "json") == said


def test_5sim_wants_a_bearer_for_what_is_the_user_s() -> None:
    ask = Caller("5sim")
    assert ask.rest(0, "user/profile", key="wrong") == Said("", 401, "text/plain")
    assert ask.rest(0, "user/profile", key=None) == Said("", 401, "text/plain")
    assert ask.rest(0, "guest/prices", key=None).http_status == 200


def test_5sim_has_no_word_for_a_price_that_is_too_low() -> None:
    path = "user/buy/activation/russia/any/google"
    assert Caller("5sim").rest(0, path, maxPrice="0.1") == Said("no free phones", 200, "text/plain")


def test_5sim_ends_a_number_or_says_why_not() -> None:
    ask = Caller("5sim", {"cancel_after_s": 60, "delay_s": 100})
    for _ in range(3):
        ask.rest(0, "user/buy/activation/russia/any/google")
    early = Said("you need to wait time", 400, "text/plain")
    assert ask.rest(10, "user/cancel/1000") == early
    assert ask.rest(10, "user/finish/1000") == Said("order no sms", 400, "text/plain")
    assert json.loads(ask.rest(60, "user/cancel/1000").body)["status"] == "CANCELED"
    assert json.loads(ask.rest(60, "user/ban/1001").body)["status"] == "BANNED"
    assert ask.rest(100, "user/cancel/1002") == Said("order has sms", 400, "text/plain")
    assert ask.rest(100, "user/cancel/1000") == Said("order not found", 400, "text/plain")


def test_5sim_s_numbers_live_fifteen_minutes_and_end_as_timeout() -> None:
    ask = Caller("5sim")
    number = ask.provider.buy("wa", "6", None, simulated_api.NO_LIMIT, BOUGHT_AT)
    number.planned.clear()
    assert json.loads(ask.rest(899, "user/check/1000").body)["status"] == "RECEIVED"
    assert json.loads(ask.rest(900, "user/check/1000").body)["status"] == "TIMEOUT"
    assert ask.rest(901, "user/cancel/1000") == Said("order expired", 400, "text/plain")


def test_5sim_lists_orders_newest_first_in_pages() -> None:
    ask = Caller("5sim")
    for _ in range(3):
        ask.rest(0, "user/buy/activation/russia/any/google")
    wanted = {"category": "activation", "limit": "2", "order": "id", "reverse": "true"}
    page = json.loads(ask.rest(0, "user/orders", **wanted, offset="0").body)
    assert [order["id"] for order in page["Data"]] == [1002, 1001]
    assert page["Total"] == 3
    rest = json.loads(ask.rest(0, "user/orders", **wanted, offset="2").body)
    assert [order["id"] for order in rest["Data"]] == [1000]
    assert ask.rest(0, "user/orders").body == "bad category"


def test_a_provider_s_clock_may_be_wrong_in_every_time_it_tells() -> None:
    ask = Caller("hero")
    ask.provider.chaos = Chaos(Rates(clock_offset_s=-3600))
    bought = ask.json(0, "getNumberV2", service="wa", country="6")
    assert bought["activationTime"] == "2026-01-01 11:00:00"
    assert bought["activationEndTime"] == "2026-01-01 11:20:00"
    assert ask(3, "getStatus", id="1000").body.startswith("STATUS_OK:")
