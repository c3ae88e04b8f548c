"""The simulator's other dialects, its chaos and its webhooks, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from poller.simulator import Simulator, new_provider, utc_now
from tests.facts import eventually
from tests.served import free_address, served

API = "/stubs/handler_api.php"


@pytest_asyncio.fixture
async def web() -> AsyncIterator[httpx.AsyncClient]:
    app = Simulator(new_provider(utc_now(), seed=1), utc_now).app()
    async with (
        served(app) as address,
        httpx.AsyncClient(base_url=address.url(), trust_env=False) as client,
    ):
        yield client


async def ask(web: httpx.AsyncClient, key: str, action: str, **params: str) -> httpx.Response:
    return await web.get(API, params={"api_key": key, "action": action, **params})


async def told(web: httpx.AsyncClient, what: str, **said: object) -> None:
    answer = await web.post(f"/sim/{what}", json=said)
    assert answer.status_code == 204, answer.text


async def test_the_key_decides_who_answers(web: httpx.AsyncClient) -> None:
    wanted = {"service": "wa", "country": "6"}
    hero = await ask(web, "demo-hero", "getStatus", id="7")
    assert hero.status_code == 404
    assert hero.headers["content-type"] == "text/html; charset=utf-8"
    assert hero.json()["title"] == "NOT_FOUND"
    for key in ("demo", "demo-tiger", "demo-grizzly", "demo-smsbower", "demo-smshub"):
        unknown = await ask(web, key, "getStatus", id="7")
        assert (unknown.status_code, unknown.text) == (200, "NO_ACTIVATION")
    bought = await ask(web, "demo-grizzly", "getNumberV2", **wanted)
    id = str(bought.json()["activationId"])
    assert (await ask(web, "demo-tiger", "getStatus", id=id)).text == "NO_ACTIVATION"
    (listed,) = (await web.get("/sim/numbers")).json()["items"]
    assert (listed["id"], listed["dialect"]) == (id, "grizzly")


async def test_smsbower_takes_no_post(web: httpx.AsyncClient) -> None:
    params = {"action": "getBalance"}
    for key, status in (("demo", 200), ("demo-smsbower", 405)):
        answer = await web.post(API, params={**params, "api_key": key})
        assert answer.status_code == status


async def test_5sim_is_served_under_v1(web: httpx.AsyncClient) -> None:
    mine = {"Authorization": "Bearer demo"}
    bought = await web.get("/v1/user/buy/activation/russia/any/telegram", headers=mine)
    assert bought.headers["content-type"] == "application/json"
    refused = await web.get("/v1/user/finish/7", headers=mine)
    assert (refused.status_code, refused.text) == (400, "order not found")
    assert refused.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await web.get("/v1/user/profile")).content == b""
    assert (await web.get("/v1/nowhere/at/all")).status_code == 404
    calls = (await web.get("/sim/calls", params={"dialect": "5sim"})).json()
    assert calls == {"buy": 1, "finish": 1, "profile": 1}


async def test_calls_are_counted_together_and_by_dialect(web: httpx.AsyncClient) -> None:
    await ask(web, "demo", "getBalance")
    await ask(web, "demo-hero", "getBalance")
    await ask(web, "demo-hero", "getBalance")
    assert (await web.get("/sim/calls")).json() == {"getBalance": 3}
    assert (await web.get("/sim/calls", params={"dialect": "hero"})).json() == {"getBalance": 2}
    assert (await web.get("/sim/calls", params={"dialect": "pigeon"})).status_code == 404


async def test_a_script_fails_a_call_of_5sim_s_by_its_own_name(web: httpx.AsyncClient) -> None:
    await told(web, "script", dialect="5sim", action="profile", http_status=503, times=1)
    mine = {"Authorization": "Bearer demo"}
    assert (await web.get("/v1/user/profile", headers=mine)).status_code == 503
    assert (await web.get("/v1/user/profile", headers=mine)).status_code == 200


async def test_chaos_begins_and_ends(web: httpx.AsyncClient) -> None:
    await told(web, "chaos", seed=7, down=1)
    assert (await ask(web, "demo", "getBalance")).status_code == 503
    assert (await ask(web, "demo-hero", "getBalance")).status_code == 503
    assert (await web.delete("/sim/chaos")).status_code == 204
    assert (await ask(web, "demo", "getBalance")).status_code == 200
    await told(web, "chaos", truncate=1)
    assert (await ask(web, "demo", "getBalance")).text == "ACCESS_BALAN"


async def test_a_purchase_may_take_effect_and_its_answer_be_lost(web: httpx.AsyncClient) -> None:
    await told(web, "chaos", lost=1)
    lost = await ask(web, "demo-hero", "getNumberV2", service="wa", country="6")
    assert lost.text.startswith("<html>")
    assert len((await web.get("/sim/numbers")).json()["items"]) == 1


@pytest.mark.parametrize("what", ["chaos", "webhook"])
async def test_what_makes_no_sense_is_a_clear_400(web: httpx.AsyncClient, what: str) -> None:
    answer = await web.post(f"/sim/{what}", json={"x": 1})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"the {what} is wrong")


@dataclass
class Receiver:
    """Takes webhooks; answers each as `statuses` say, then 200."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        self.bodies.append(json.loads(await request.body()))
        if self.bodies[-1]["service"] == "tg":
            await self.hold.wait()
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/hook", self.take, methods=["POST"])])


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver(list(statuses))
    async with served(receiver.app()) as address:
        yield receiver, f"{address.url()}/hook"
        receiver.hold.set()


async def buy(web: httpx.AsyncClient, key: str, service: str = "wa") -> None:
    answer = await ask(web, key, "getNumberV2", service=service, country="6")
    assert "activationId" in answer.json()


async def counted(web: httpx.AsyncClient) -> dict[str, int]:
    found: dict[str, int] = (await web.get("/sim/webhook")).json()
    return found


async def test_an_sms_is_posted_and_posted_again_until_it_is_taken(web: httpx.AsyncClient) -> None:
    async with receiving(500, 503) as (receiver, url):
        await told(web, "webhook", url=url, dialect="hero", retries_s=[0, 0, 0])
        await told(web, "script", delay_s=0, code="358042")
        await buy(web, "demo-hero")

        async def taken() -> bool:
            return (await counted(web))["delivered"] == 1

        await eventually(taken)
        assert await counted(web) == {"delivered": 1, "failed": 2, "given_up": 0}
    assert len(receiver.bodies) == 3
    assert receiver.bodies[0] == receiver.bodies[2]
    assert receiver.bodies[0]["code"] == "358042"


async def test_nobody_there_is_a_failure_and_in_the_end_it_is_given_up(
    web: httpx.AsyncClient,
) -> None:
    await told(web, "webhook", url=free_address().url(), retries_s=[0])
    await told(web, "script", delay_s=0)
    await buy(web, "demo")

    async def given_up() -> bool:
        return (await counted(web))["given_up"] == 1

    await eventually(given_up)
    assert (await counted(web))["failed"] == 2


async def test_a_receiver_that_hangs_holds_up_no_other_post(web: httpx.AsyncClient) -> None:
    async with receiving() as (receiver, url):
        await told(web, "webhook", url=url)
        await told(web, "script", delay_s=0)
        await buy(web, "demo", "tg")
        await eventually(lambda: len(receiver.bodies) == 1)
        await buy(web, "demo", "wa")

        async def taken() -> bool:
            return (await counted(web))["delivered"] == 1

        await eventually(taken)
        assert [body["service"] for body in receiver.bodies] == ["tg", "wa"]


async def test_webhooks_that_were_forgotten_are_not_sent(web: httpx.AsyncClient) -> None:
    async with receiving() as (receiver, url):
        await told(web, "webhook", url=url)
        await told(web, "script", delay_s=0)
        assert (await web.delete("/sim/webhook")).status_code == 204
        await buy(web, "demo", "go")
        await told(web, "webhook", url=url)
        await buy(web, "demo", "wa")  # the fence: only this one may come
        await eventually(lambda: bool(receiver.bodies))
        assert [body["service"] for body in receiver.bodies] == ["wa"]
