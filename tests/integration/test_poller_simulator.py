"""The simulator over real HTTP: its provider's side, and the side by which tests direct it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import pytest_asyncio

from poller.simulator import Simulator, new_provider
from tests.served import served

API = "/stubs/handler_api.php"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def web(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    app = Simulator(new_provider(clock(), seed=1), clock).app()
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=address.url(), trust_env=False) as client,
    ):
        yield client


async def ask(web: httpx.AsyncClient, action: str, **params: str) -> httpx.Response:
    return await web.get(API, params={"api_key": "demo", "action": action, **params})


async def buy(web: httpx.AsyncClient) -> str:
    bought = await ask(web, "getNumberV2", service="wa", country="6")
    return str(bought.json()["activationId"])


async def test_a_number_is_bought_and_its_code_comes(web: httpx.AsyncClient, clock: Clock) -> None:
    id = await buy(web)
    assert (await ask(web, "getStatus", id=id)).text == "STATUS_WAIT_CODE"
    clock.move(3)
    assert (await ask(web, "getStatus", id=id)).text.startswith("STATUS_OK:")


async def test_words_and_json_alike_are_served_as_html(web: httpx.AsyncClient) -> None:
    word, document = await ask(web, "getBalance"), await ask(web, "getPrices")
    assert word.status_code == document.status_code == 200
    assert word.headers["content-type"] == "text/html; charset=utf-8"
    assert document.headers["content-type"] == "text/html; charset=utf-8"
    assert document.json()["6"]["wa"]["cost"] == 0.5


async def test_parameters_may_be_posted_in_the_query_or_as_a_form(web: httpx.AsyncClient) -> None:
    asked = {"api_key": "demo", "action": "getBalance"}
    in_query, as_form = await web.post(API, params=asked), await web.post(API, data=asked)
    assert in_query.text == as_form.text == "ACCESS_BALANCE:1000000.00"


async def test_a_call_without_a_right_key_is_refused(web: httpx.AsyncClient) -> None:
    assert (await web.get(API)).text == "NO_KEY"
    assert (await web.get(API, params={"api_key": "x", "action": "getBalance"})).text == "BAD_KEY"


async def test_an_sms_by_hand_reaches_the_number_by_id_and_by_phone(
    web: httpx.AsyncClient,
) -> None:
    id = await buy(web)
    first = await web.post(f"/sim/numbers/{id}/sms", json={"text": "Your code is 358042"})
    assert first.status_code == 201
    assert first.json()["code"] == "358042"
    assert (await ask(web, "getStatus", id=id)).text == "STATUS_OK:358042"
    listed = (await web.get("/sim/numbers")).json()["items"]
    sms = {"text": "and 777 is another", "code": "777"}
    second = await web.post(f"/sim/numbers/+{listed[0]['phone']}/sms", json=sms)
    assert second.status_code == 201
    assert (await ask(web, "getStatus", id=id)).text == "STATUS_OK:777"


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"text": ""}', '{"text": "x", "cod": "1"}'])
async def test_an_sms_that_is_none_is_refused(web: httpx.AsyncClient, body: str) -> None:
    answer = await web.post(f"/sim/numbers/{await buy(web)}/sms", content=body)
    assert answer.status_code == 400
    assert "the SMS must be" in answer.json()["detail"]


async def test_no_sms_reaches_an_unknown_number_or_one_that_is_over(
    web: httpx.AsyncClient,
) -> None:
    assert (await web.post("/sim/numbers/7/sms", json={"text": "x"})).status_code == 404
    id = await buy(web)
    assert (await ask(web, "setStatus", id=id, status="8")).text == "ACCESS_CANCEL"
    over = await web.post(f"/sim/numbers/{id}/sms", json={"text": "x"})
    assert (over.status_code, over.json()["detail"]) == (409, f"number {id} is cancelled")


async def test_numbers_are_listed_with_what_they_received(web: httpx.AsyncClient) -> None:
    id = await buy(web)
    (listed,) = (await web.get("/sim/numbers")).json()["items"]
    assert listed["id"] == id
    assert listed["state"] == "active"
    assert listed["sms"] == []
    assert listed["expires_at"] == "2026-01-01T12:20:00+00:00"


async def test_calls_are_counted_by_action(web: httpx.AsyncClient) -> None:
    await buy(web)
    await ask(web, "getBalance")
    await ask(web, "getBalance")
    assert (await web.get("/sim/calls")).json() == {"getNumberV2": 1, "getBalance": 2}


async def test_a_script_fails_calls_until_it_is_forgotten(web: httpx.AsyncClient) -> None:
    said = {"action": "getBalance", "http_status": 503, "retry_after_s": 7}
    assert (await web.post("/sim/script", json=said)).status_code == 204
    failed = await ask(web, "getBalance")
    assert (failed.status_code, failed.headers["retry-after"]) == (503, "7")
    assert failed.text.startswith("<html>")
    assert (await web.delete("/sim/script")).status_code == 204
    assert (await ask(web, "getBalance")).status_code == 200


async def test_a_purchase_may_take_effect_and_its_answer_be_lost(web: httpx.AsyncClient) -> None:
    await web.post("/sim/script", json={"html": True, "applied": True, "times": 1})
    lost = await ask(web, "getNumberV2", service="wa", country="6", orderId="mine")
    assert lost.text.startswith("<html>")
    again = await ask(web, "getNumberV2", service="wa", country="6", orderId="mine")
    assert again.text == "ORDER_ALREADY_EXISTS"


async def test_no_answer_may_come_for_a_time(web: httpx.AsyncClient) -> None:
    await web.post("/sim/script", json={"action": "getBalance", "timeout_s": 60})
    with pytest.raises(httpx.ReadTimeout):
        await web.get(API, params={"api_key": "demo", "action": "getBalance"}, timeout=0.2)


async def test_a_slow_answer_is_the_real_one(web: httpx.AsyncClient) -> None:
    await web.post("/sim/script", json={"action": "getBalance", "timeout_s": 0.05})
    assert (await ask(web, "getBalance")).text == "ACCESS_BALANCE:1000000.00"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ({"delay": 1}, "unknown field"),
        ({"service": "zz", "delay_s": 1}, "service must be one of wa, tg, go"),
        ({"action": "getAll", "html": True}, "action must be one of ban, buy"),
        ({"dialect": "pigeon", "html": True}, "dialect must be one of sms-activate, hero"),
    ],
)
async def test_a_wrong_script_is_a_clear_400(
    web: httpx.AsyncClient, script: dict[str, object], sentence: str
) -> None:
    answer = await web.post("/sim/script", json=script)
    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]


async def test_a_body_over_64_kib_is_refused(web: httpx.AsyncClient) -> None:
    answer = await web.post("/sim/script", content=b" " * 65_537)
    assert answer.status_code == 413


async def test_it_says_that_it_lives(web: httpx.AsyncClient) -> None:
    assert (await web.get("/livez")).status_code == 200
