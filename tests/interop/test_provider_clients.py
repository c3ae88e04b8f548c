"""Published clients of the providers, unmodified, against the simulator: one for each that has one.

They were written for the real providers by others; where they are content, the simulator speaks as
they have seen it speak. Most are blocking, and run in a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import fivesim
import httpx
import pytest
import pytest_asyncio
from fivesim.enums import ActivationProduct, Category, Country, Operator, OrderAction, Status
from fivesim.errors import ErrorType, FiveSimError
from grizzly_sms import GrizzlySms, GrizzlySmsError
from herosms import HeroSMSClient
from herosms.exceptions import ActivationNotFoundError, AuthenticationError, ConflictError
from pysmshub.exceptions import SmsHubApiException
from pysmshub.synchronous import SyncSmsHubApi
from pysmshub.utils import Status as SmsHubStatus
from smsactivate.api import SMSActivateAPI
from smsbower import SmsBowerClient, SmsBowerError

from poller.simulator import Simulator, new_provider, utc_now
from tests.served import served

T = TypeVar("T")
API = "/stubs/handler_api.php"
TEXT = "Your code is 358042"


@dataclass(frozen=True)
class Provider:
    """The simulator, and how to make an SMS arrive there."""

    url: str
    web: httpx.AsyncClient

    async def deliver(self, id: object, text: str = TEXT) -> None:
        answer = await self.web.post(f"{self.url}/sim/numbers/{id}/sms", json={"text": text})
        assert answer.status_code == 201, answer.text

    async def script(self, **said: object) -> None:
        assert (await self.web.post(f"{self.url}/sim/script", json=said)).status_code == 204

    async def state(self, id: object) -> str:
        items = (await self.web.get(f"{self.url}/sim/numbers")).json()["items"]
        return str(next(item["state"] for item in items if item["id"] == str(id)))


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[Provider]:
    app = Simulator(new_provider(utc_now(), seed=1), utc_now).app()
    async with served(app) as address, httpx.AsyncClient(trust_env=False) as web:
        found = Provider(address.url(), web)
        await found.script(never=True)
        yield found


async def call(ask: Callable[..., T], *args: Any, **named: Any) -> T:
    """A blocking call of a client, beside the loop that answers it."""
    return await asyncio.to_thread(ask, *args, **named)


def sms_activate(provider: Provider, key: str = "demo") -> SMSActivateAPI:
    client = SMSActivateAPI(key)
    client._SMSActivateAPI__api_url = provider.url + API  # it has no setting for that
    return client


async def test_smsactivate_buys_reads_and_finishes(provider: Provider) -> None:
    client = sms_activate(provider)
    assert await call(client.getBalance) == {"balance": "1000000.00"}
    assert await call(client.getNumbersStatus, 6) == {"wa": 1000, "tg": 1000, "go": 1000}
    prices = await call(client.getPrices, "wa", 6)
    assert prices["6"]["wa"]["cost"] == 0.5
    bought = await call(client.getNumberV2, "wa", country=6)
    id = bought["activationId"]
    assert await call(client.getStatus, id) == "STATUS_WAIT_CODE"
    assert await call(client.setStatus, id, status=1) == "ACCESS_READY"
    await provider.deliver(id)
    assert await call(client.getStatus, id) == "STATUS_OK:358042"
    assert await call(client.getFullSms, id) == f"FULL_SMS:{TEXT}"
    (row,) = (await call(client.getActiveActivations))["activeActivations"]
    assert (row["activationId"], row["smsCode"]) == (str(id), ["358042"])
    assert await call(client.setStatus, id, status=3) == "ACCESS_RETRY_GET"
    assert await call(client.getStatus, id) == "STATUS_WAIT_RETRY:358042"
    assert await call(client.setStatus, id, status=6) == "ACCESS_ACTIVATION"
    assert await provider.state(id) == "finished"


async def test_smsactivate_knows_the_refusals(provider: Provider) -> None:
    client = sms_activate(provider)
    bought = await call(client.getNumber, "tg", country=0)
    assert str(bought["phone"]).startswith("79")
    assert await call(client.setStatus, bought["activation_id"], status=8) == "ACCESS_CANCEL"
    assert (await call(client.getStatus, bought["activation_id"]))["error"] == "STATUS_CANCEL"
    assert (await call(client.getStatus, 7))["error"] == "NO_ACTIVATION"
    assert (await call(client.getNumber, "zz", country=0))["error"] == "BAD_SERVICE"
    assert (await call(client.getNumber, "wa", country=99))["error"] == "NO_NUMBERS"
    assert (await call(sms_activate(provider, "x").getBalance))["error"] == "BAD_KEY"


async def test_herosms_buys_reads_and_finishes(provider: Provider) -> None:
    url = provider.url + API
    async with HeroSMSClient("demo-hero", base_url=url, retry_attempts=1) as client:
        assert (await client.get_balance()).amount == 1_000_000
        bought = await client.activations.create(service="wa", country=6)
        assert bought.info.activation_end_time > bought.info.activation_time
        (row,) = await client.get_active_activations()
        assert row.activation_id == bought.id
        assert await client.get_status_v1(bought.id) == "STATUS_WAIT_CODE"
        await provider.deliver(bought.id)
        (sms,) = await client.activations.get_sms(bought.id)
        assert (sms.code, sms.text) == ("358042", TEXT)
        with pytest.raises(ConflictError) as refused:
            await bought.cancel()
        assert refused.value.title == "OTP_RECEIVED"
        await bought.complete()
        assert await provider.state(bought.id) == "finished"


async def test_herosms_knows_the_refusals(provider: Provider) -> None:
    url = provider.url + API
    async with HeroSMSClient("demo-hero", base_url=url, retry_attempts=1) as client:
        await provider.script(never=True, cancel_after_s=120, times=1)
        early = await client.activations.create(service="wa", country=6)
        with pytest.raises(ConflictError) as refused:
            await early.cancel()
        assert refused.value.title == "EARLY_CANCEL_DENIED"
        given_back = await client.activations.create(service="wa", country=6)
        await client.activations.cancel(given_back.id)
        assert await provider.state(given_back.id) == "cancelled"
        with pytest.raises(ActivationNotFoundError):
            await client.get_status_v1(7)
    async with HeroSMSClient("wrong-hero", base_url=url, retry_attempts=1) as client:
        with pytest.raises(AuthenticationError):
            await client.get_balance()


async def test_grizzly_sms_client_buys_reads_and_finishes(provider: Provider) -> None:
    with GrizzlySms("demo-grizzly", base_url=provider.url) as client:
        assert await call(client.get_balance) == 1_000_000
        assert await call(client.get_active_activations) == []
        bought = await call(client.get_number_v2, "wa", country=6)
        (row,) = await call(client.get_active_activations)
        assert row.activation_id == bought.activation_id
        await provider.deliver(bought.activation_id)
        received = await call(client.wait_for_code, bought.activation_id)
        assert received.code == "358042"
        status = await call(client.get_status_v2, bought.activation_id)
        assert status["sms"]["text"] == TEXT
        assert await call(client.complete, bought.activation_id) == "ACCESS_ACTIVATION"
        (price,) = await call(client.find_prices, service="wa", country=6)
        assert (price.cost, price.count) == (0.5, 1000)


async def test_grizzly_sms_client_knows_the_refusals(provider: Provider) -> None:
    with GrizzlySms("demo-grizzly", base_url=provider.url) as client:
        bought = await call(client.get_number, "wa", country=6)
        assert await call(client.cancel, bought.activation_id, -1) == "ACCESS_CANCEL"
        with pytest.raises(GrizzlySmsError, match="cancelled"):
            await call(client.wait_for_code, bought.activation_id)
        with pytest.raises(GrizzlySmsError, match="NO_NUMBERS"):
            await call(client.get_number, "wa", country=99)


async def test_smsbower_buys_reads_and_finishes(provider: Provider) -> None:
    with SmsBowerClient("demo-smsbower", base_url=provider.url) as client:
        assert await call(client.get_balance) == 1_000_000
        assert (await call(client.get_prices, "wa", 6))["6"]["wa"]["count"] == 1000
        bought = await call(client.get_number_v2, "wa", 6)
        id = bought["activationId"]
        assert (await call(client.get_status, id)).status == "STATUS_WAIT_CODE"
        await provider.deliver(id)
        assert (await call(client.get_status, id)).code == "358042"
        assert await call(client.set_status, id, 6) == "ACCESS_ACTIVATION"
        given_back = await call(client.get_number, "wa", 6)
        assert await call(client.set_status, given_back.id, 8) == "ACCESS_CANCEL"
        with pytest.raises(SmsBowerError, match="BAD_STATUS"):
            await call(client.set_status, id, 8)
        with pytest.raises(SmsBowerError, match="NO_ACTIVATION"):
            await call(client.get_status, 7)


async def test_pysmshub_buys_reads_and_finishes(provider: Provider) -> None:
    client = SyncSmsHubApi("demo-smshub")
    client.base_url = provider.url + API
    assert await call(client.get_balance) == 1_000_000
    assert (await call(client.get_prices, "wa", "6"))["6"]["wa"] == {"0.5000": 1000}
    id, phone = await call(client.get_number, "wa", country=6, max_price=1)
    assert phone.startswith("62")
    assert await call(client.get_status, id) == (SmsHubStatus.WAIT, None)
    await provider.deliver(id)
    assert await call(client.get_status, id) == (SmsHubStatus.SENT, "358042")
    assert await call(client.set_status, id, SmsHubStatus.REPEAT) == "ACCESS_RETRY_GET"
    assert await call(client.get_status, id) == (SmsHubStatus.REPEAT, "358042")
    assert await call(client.set_status, id, SmsHubStatus.SUCCESS) == "ACCESS_ACTIVATION"
    with pytest.raises(SmsHubApiException, match="NO_NUMBERS"):
        await call(client.get_number, "wa", country=99)


def five_sim(provider: Provider, key: str = "demo") -> fivesim.FiveSim:
    client = fivesim.FiveSim(key)
    # It has no setting for that.
    vars(client.user)["_APIRequest__endpoint"] = f"{provider.url}/v1/user/"
    vars(client.guest)["_APIRequest__endpoint"] = f"{provider.url}/v1/guest/"
    return client


async def test_fivesim_buys_reads_and_finishes(provider: Provider) -> None:
    client = five_sim(provider)
    assert (await call(client.user.get_profile_data)).balance == 1_000_000
    prices = await call(client.guest.get_prices, Country.RUSSIA, ActivationProduct.WHATSAPP)
    offer = prices[Country.RUSSIA][ActivationProduct.WHATSAPP][Operator.VIRTUAL4]
    assert (offer.price, offer.quantity) == (0.5, 1000)
    product = ActivationProduct.WHATSAPP
    bought = await call(client.user.buy_number, Country.RUSSIA, Operator.ANY_OPERATOR, product)
    assert (bought.status, bought.sms) == (Status.RECEIVED, None)
    await provider.deliver(bought.id)
    await provider.deliver(bought.id, "Your code is 777777")
    order = await call(client.user.order, OrderAction.CHECK, bought)
    assert [sms.activation_code for sms in order.sms or ()] == ["358042", "777777"]
    history = await call(client.user.get_orders_history, Category.ACTIVATION, 10, 0, "id", True)
    assert [order.id for order in history.data] == [bought.id]
    finished = await call(client.user.order, OrderAction.FINISH, bought)
    assert finished.status == Status.FINISHED


async def test_fivesim_knows_the_refusals(provider: Provider) -> None:
    client = five_sim(provider)
    product = ActivationProduct.TELEGRAM
    bought = await call(client.user.buy_number, Country.RUSSIA, Operator.ANY_OPERATOR, product)
    cases = [
        (OrderAction.FINISH, ErrorType.ORDER_NO_SMS),
        (OrderAction.CANCEL, None),
        (OrderAction.CANCEL, ErrorType.ORDER_NOT_FOUND),
    ]
    for action, expected in cases:
        if expected is None:
            assert (await call(client.user.order, action, bought)).status == Status.CANCELED
            continue
        with pytest.raises(FiveSimError) as refused:
            await call(client.user.order, action, bought)
        assert refused.value.get_error() == expected
    with pytest.raises(FiveSimError) as refused:
        await call(five_sim(provider, "wrong").user.get_profile_data)
    assert refused.value.get_error() == ErrorType.INVALID_API_KEY
