"""The handler_api.php family from the providers' side: parameters in, the exact words out.

Pure. Words and shapes are those of the published documentation (docs/providers.md); what differs
between the providers is in simulated_manners.py.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from poller.simulated_manners import BY_DIALECT, BY_KEY, SMS_ACTIVATE, Manners, Row, Said

NO_LIMIT = Decimal("Infinity")
USD = 840  # ISO 4217
SENDER = "Simulator"


@dataclass(frozen=True)
class Asked:
    """One call that was not refused."""

    provider: SimulatedProvider
    manners: Manners
    params: Mapping[str, str]
    now: datetime

    def number(self) -> Number:
        return self.provider.find(self.params.get("id", ""), self.now)

    def told(self, at: datetime) -> str:
        """A time by the provider's own clock."""
        at += self.provider.chaos.clock_offset
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def manners_of(params: Mapping[str, str]) -> Manners | Said:
    """Whose account the key is, or how a wrong one is refused: by the dialect that it ends with."""
    key = params.get("api_key", "")
    if key in BY_KEY:
        return BY_KEY[key]
    refusing = BY_DIALECT.get(key.rpartition("-")[2], SMS_ACTIVATE)
    return refusing.refusal(Denied("BAD_KEY" if key else "NO_KEY"), "")


def answer(
    provider: SimulatedProvider,
    params: Mapping[str, str],
    now: datetime,
    manners: Manners = SMS_ACTIVATE,
) -> Said:
    """The answer to a call whose key is right."""
    action = params.get("action", "")
    try:
        if action not in manners.actions:
            raise Denied("BAD_ACTION")
        said = ACTIONS[action](Asked(provider, manners, params, now))
    except Denied as denied:
        return manners.refusal(denied, action)
    if said is None:
        return Said("", 204)
    if isinstance(said, str):
        return Said(said)
    return Said(json.dumps(said), media_type=manners.json_type)


def _get_balance(asked: Asked) -> str:
    return f"ACCESS_BALANCE:{asked.provider.balance}"


def _get_numbers_status(asked: Asked) -> object:
    known = asked.params.get("country", "0") in PREFIXES
    return dict.fromkeys(SERVICES, STOCK) if known else {}


def _get_prices(asked: Asked) -> object:
    offer: Row = {"cost": float(PRICE), "count": STOCK, "physicalCount": STOCK}
    if asked.manners.prices_in_steps:
        offer = {f"{PRICE:.4f}": STOCK}
    services = [s for s in SERVICES if asked.params.get("service", s) == s]
    countries = [c for c in PREFIXES if asked.params.get("country", c) == c]
    return {country: dict.fromkeys(services, offer) for country in countries if services}


def _get_number(asked: Asked) -> str:
    number = _bought(asked, None)
    return f"ACCESS_NUMBER:{number.id}:{number.phone}"


def _get_number_v2(asked: Asked) -> Row:
    takes, said = asked.manners.takes_order_id, asked.params.get("orderId")
    number = _bought(asked, (said or None) if takes else None)
    bought: Row = {
        "activationId": int(number.id),
        "phoneNumber": number.phone,
        "activationCost": float(PRICE),
        "currency": USD,
        "countryCode": number.country,
        "canGetAnotherSms": "1",
        "activationTime": asked.told(number.bought_at),
        "activationOperator": asked.params.get("operator") or "any",
    }
    if asked.manners.tells_end:
        bought["activationEndTime"] = asked.told(number.expires_at)
        bought["countryPhoneCode"] = PREFIXES[number.country][:-1]
        bought["status"] = _row_status(number, asked.manners)
    return bought


def _bought(asked: Asked, reference: str | None) -> Number:
    service, country = asked.params.get("service", ""), asked.params.get("country", "0")
    most = _max_price(asked.params.get("maxPrice"))
    return asked.provider.buy(service, country, reference, most, asked.now)


def _max_price(text: str | None) -> Decimal:
    try:
        price = Decimal(text) if text else NO_LIMIT
    except InvalidOperation:
        return Decimal(0)
    return Decimal(0) if price.is_nan() else price


def _get_status(asked: Asked) -> str:
    number = asked.number()
    if number.state == "cancelled":
        return "STATUS_CANCEL"
    if not number.sms:
        return "STATUS_WAIT_CODE"
    shown = _shown(number.sms[-1])
    return f"STATUS_WAIT_RETRY:{shown}" if number.waits_again else f"STATUS_OK:{shown}"


def _get_status_v2(asked: Asked) -> str | Row:
    number = asked.number()
    if number.state == "cancelled":
        return "STATUS_CANCEL"
    newest = number.sms[-1] if number.sms and not number.waits_again else None
    if asked.manners.status_in_data:
        return {"verificationType": "sms", "data": newest and _otp(asked, number, newest)}
    sms = newest and {"dateTime": asked.told(newest.at), "code": newest.code, "text": newest.text}
    return {"verificationType": 0, "sms": sms}


def _get_all_sms(asked: Asked) -> Row:
    number = asked.number()
    every = [_otp(asked, number, sms) for sms in number.sms]
    size, page = _whole(asked.params.get("size"), 100), _whole(asked.params.get("page"), 1)
    first = size * (max(page, 1) - 1)
    return {"data": every[first : first + size], "meta": {"total": len(every)}}


def _otp(asked: Asked, number: Number, sms: Delivery) -> Row:
    return {
        "id": f"{number.id}{number.sms.index(sms)}",
        "phoneFrom": SENDER,
        "code": sms.code,
        "text": sms.text,
        "service": number.service,
        "date": asked.told(sms.at),
        "type": "sms",
    }


def _get_full_sms(asked: Asked) -> str:
    number = asked.number()
    return f"FULL_SMS:{number.sms[-1].text}" if number.sms else "STATUS_WAIT_CODE"


def _set_status(asked: Asked) -> str:
    number = asked.number()
    match asked.manners.statuses.get(asked.params.get("status", "")):
        case "ready":
            asked.provider.ready(number)
            return "ACCESS_READY"
        case "again":
            asked.provider.ask_again(number, asked.now)
            return "ACCESS_RETRY_GET"
        case "finish":
            asked.provider.finish(number)
            return "ACCESS_ACTIVATION"
        case "cancel":
            asked.provider.cancel(number, asked.now)
            return "ACCESS_CANCEL"
        case _:
            raise Denied("BAD_STATUS")


def _finish(asked: Asked) -> None:
    asked.provider.finish(asked.number())


def _cancel(asked: Asked) -> None:
    asked.provider.cancel(asked.number(), asked.now)


def _get_active(asked: Asked) -> object:
    active = {number.id: number for number in asked.provider.active(asked.now)}
    ids = asked.provider.chaos.listed("getActiveActivations", list(active))
    if asked.manners.list_rows is not None:
        most, usual = asked.manners.list_rows
        start = _whole(asked.params.get("start"), 0)
        ids = ids[start : start + min(most, _whole(asked.params.get("limit"), usual))]
    if asked.manners.envelope is None:
        raise Denied("BAD_ACTION")
    return asked.manners.envelope([_row(asked, active[id]) for id in ids])


def _row(asked: Asked, number: Number) -> Row:
    shown = asked.provider.chaos.sms_in_order(number.id, number.sms)
    return {
        "activationId": number.id,
        "serviceCode": number.service,
        "phoneNumber": number.phone,
        "activationCost": f"{PRICE}",
        "activationStatus": _row_status(number, asked.manners),
        "smsCode": [sms.code for sms in shown] or None,
        "smsText": [sms.text for sms in shown] or None,
        "activationTime": asked.told(number.bought_at),
        "discount": "0",
        "repeated": "0",
        "countryCode": number.country,
        "countryName": number.country,
        "canGetAnotherSms": "1",
        "currency": USD,
    }


def _row_status(number: Number, manners: Manners) -> str:
    waiting, received, again = manners.row_statuses
    if number.waits_again:
        return again
    return received if number.sms else waiting


def _shown(sms: Delivery) -> str:
    # A provider that finds no code in an SMS gives the whole text for it.
    return sms.code or sms.text


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else otherwise


# None for an answer: 204 without a body.
ACTIONS: Mapping[str, Callable[[Asked], object]] = {
    "getBalance": _get_balance,
    "getNumbersStatus": _get_numbers_status,
    "getPrices": _get_prices,
    "getNumber": _get_number,
    "getNumberV2": _get_number_v2,
    "getStatus": _get_status,
    "getStatusV2": _get_status_v2,
    "getAllSms": _get_all_sms,
    "getFullSms": _get_full_sms,
    "setStatus": _set_status,
    "finishActivation": _finish,
    "cancelActivation": _cancel,
    "getActiveActivations": _get_active,
}
