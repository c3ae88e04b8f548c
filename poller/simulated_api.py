"""The handler_api.php dialect from the provider's side: parameters in, the exact words out.

Pure. Words and shapes are those of the published SMS-Activate documentation (docs/providers.md);
everything is served with HTTP 200 as text/html, JSON too, as the providers of this family do.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from poller.simulated import (
    PREFIXES,
    PRICE,
    SERVICES,
    STOCK,
    Delivery,
    Denied,
    Number,
    SimulatedProvider,
)

API_KEY = "demo"
NO_LIMIT = Decimal("Infinity")
USD = 840  # ISO 4217
STATUS_WAITING, STATUS_RECEIVED, STATUS_WAITING_AGAIN = "4", "2", "3"


def refusal(params: Mapping[str, str]) -> str | None:
    """The word for a call without a right key or a known action, else None."""
    if not params.get("api_key"):
        return "NO_KEY"
    if params["api_key"] != API_KEY:
        return "BAD_KEY"
    return None if params.get("action") in ACTIONS else "BAD_ACTION"


def answer(provider: SimulatedProvider, params: Mapping[str, str], now: datetime) -> str:
    """The body of the answer to a call that was not refused."""
    try:
        return ACTIONS[params["action"]](provider, params, now)
    except Denied as denied:
        return denied.word


def _get_balance(provider: SimulatedProvider, _params: Mapping[str, str], _now: datetime) -> str:
    return f"ACCESS_BALANCE:{provider.balance}"


def _get_numbers_status(
    _provider: SimulatedProvider, params: Mapping[str, str], _now: datetime
) -> str:
    known = params.get("country", "0") in PREFIXES
    return json.dumps(dict.fromkeys(SERVICES, STOCK) if known else {})


def _get_prices(_provider: SimulatedProvider, params: Mapping[str, str], _now: datetime) -> str:
    offer = {"cost": float(PRICE), "count": STOCK, "physicalCount": STOCK}
    services = [s for s in SERVICES if params.get("service", s) == s]
    countries = [c for c in PREFIXES if params.get("country", c) == c]
    listed = {country: dict.fromkeys(services, offer) for country in countries if services}
    return json.dumps(listed)


def _get_number(provider: SimulatedProvider, params: Mapping[str, str], now: datetime) -> str:
    number = _bought(provider, params, None, now)
    return f"ACCESS_NUMBER:{number.id}:{number.phone}"


def _get_number_v2(provider: SimulatedProvider, params: Mapping[str, str], now: datetime) -> str:
    number = _bought(provider, params, params.get("orderId") or None, now)
    return json.dumps(
        {
            "activationId": int(number.id),
            "phoneNumber": number.phone,
            "activationCost": float(PRICE),
            "currency": USD,
            "countryCode": number.country,
            "canGetAnotherSms": "1",
            "activationTime": _time(number.bought_at),
            "activationOperator": params.get("operator") or "any",
        }
    )


def _bought(
    provider: SimulatedProvider, params: Mapping[str, str], reference: str | None, now: datetime
) -> Number:
    service, country = params.get("service", ""), params.get("country", "0")
    return provider.buy(service, country, reference, _max_price(params.get("maxPrice")), now)


def _max_price(text: str | None) -> Decimal:
    try:
        price = Decimal(text) if text else NO_LIMIT
    except InvalidOperation:
        return Decimal(0)
    return Decimal(0) if price.is_nan() else price


def _get_status(provider: SimulatedProvider, params: Mapping[str, str], now: datetime) -> str:
    number = provider.find(params.get("id", ""), now)
    if number.state == "cancelled":
        return "STATUS_CANCEL"
    if not number.sms:
        return "STATUS_WAIT_CODE"
    shown = _shown(number.sms[-1])
    return f"STATUS_WAIT_RETRY:{shown}" if number.waits_again else f"STATUS_OK:{shown}"


def _get_status_v2(provider: SimulatedProvider, params: Mapping[str, str], now: datetime) -> str:
    number = provider.find(params.get("id", ""), now)
    if number.state == "cancelled":
        return "STATUS_CANCEL"
    newest = number.sms[-1] if number.sms and not number.waits_again else None
    sms = newest and {"dateTime": _time(newest.at), "code": newest.code, "text": newest.text}
    return json.dumps({"verificationType": 0, "sms": sms})


def _get_full_sms(provider: SimulatedProvider, params: Mapping[str, str], now: datetime) -> str:
    number = provider.find(params.get("id", ""), now)
    return f"FULL_SMS:{number.sms[-1].text}" if number.sms else "STATUS_WAIT_CODE"


def _set_status(provider: SimulatedProvider, params: Mapping[str, str], now: datetime) -> str:
    number = provider.find(params.get("id", ""), now)
    match params.get("status"):
        case "1":
            provider.ready(number)
            return "ACCESS_READY"
        case "3":
            provider.ask_again(number, now)
            return "ACCESS_RETRY_GET"
        case "6":
            provider.finish(number)
            return "ACCESS_ACTIVATION"
        case "8":
            provider.cancel(number, now)
            return "ACCESS_CANCEL"
        case _:
            return "BAD_STATUS"


def _get_active(provider: SimulatedProvider, _params: Mapping[str, str], now: datetime) -> str:
    rows = [_row(number) for number in provider.active(now)]
    if not rows:
        return json.dumps({"status": "error", "error": "NO_ACTIVATIONS"})
    return json.dumps({"status": "success", "activeActivations": rows})


def _row(number: Number) -> dict[str, object]:
    return {
        "activationId": number.id,
        "serviceCode": number.service,
        "phoneNumber": number.phone,
        "activationCost": f"{PRICE}",
        "activationStatus": _row_status(number),
        "smsCode": [sms.code for sms in number.sms] or None,
        "smsText": [sms.text for sms in number.sms] or None,
        "activationTime": _time(number.bought_at),
        "discount": "0",
        "repeated": "0",
        "countryCode": number.country,
        "countryName": number.country,
        "canGetAnotherSms": "1",
        "currency": USD,
    }


def _row_status(number: Number) -> str:
    if number.waits_again:
        return STATUS_WAITING_AGAIN
    return STATUS_RECEIVED if number.sms else STATUS_WAITING


def _shown(sms: Delivery) -> str:
    # A provider that finds no code in an SMS gives the whole text for it.
    return sms.code or sms.text


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


ACTIONS: Mapping[str, Callable[[SimulatedProvider, Mapping[str, str], datetime], str]] = {
    "getBalance": _get_balance,
    "getNumbersStatus": _get_numbers_status,
    "getPrices": _get_prices,
    "getNumber": _get_number,
    "getNumberV2": _get_number_v2,
    "getStatus": _get_status,
    "getStatusV2": _get_status_v2,
    "getFullSms": _get_full_sms,
    "setStatus": _set_status,
    "getActiveActivations": _get_active,
}
