"""5sim from the provider's side: a REST path in, the documented JSON or plain text out.

Pure. Products and countries have 5sim's names here; scripts and /sim/numbers keep the short ones.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from poller.script import Behaviour
from poller.simulated import PREFIXES, PRICE, STOCK, Delivery, Denied, Number, SimulatedProvider
from poller.simulated_manners import Row, Said

API_KEY = "demo"
PRODUCTS = {"whatsapp": "wa", "telegram": "tg", "google": "go"}
COUNTRIES = {"indonesia": "6", "russia": "0"}
OPERATORS = ("any", "virtual4")
USUAL = Behaviour(lifetime_s=900)
BY_NAME = {short: name for name, short in PRODUCTS.items()}
COUNTRY_NAMES = {short: name for name, short in COUNTRIES.items()}
TOO_MANY_ROWS = 100


class Said5(Exception):
    """An error in words, with the HTTP status that 5sim gives it."""

    def __init__(self, text: str, http_status: int = 400) -> None:
        super().__init__(text)
        self.said = Said(text, http_status, "text/plain")


@dataclass(frozen=True)
class Asked:
    """One call: the words of its path behind /v1/, and its parameters."""

    provider: SimulatedProvider
    path: tuple[str, ...]
    params: Mapping[str, str]
    now: datetime

    def number(self, http_status: int = 400) -> Number:
        try:
            return self.provider.find(self.path[-1], self.now)
        except Denied:
            raise Said5("order not found", http_status) from None

    def told(self, at: datetime) -> str:
        at += self.provider.chaos.clock_offset
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


Action: TypeAlias = Callable[[Asked], object]


def action_of(path: tuple[str, ...]) -> str:
    """The word by which a call is counted and scripted: buy, check, orders, ..."""
    return path[1] if len(path) > 1 else ""


def service_of(provider: SimulatedProvider, path: tuple[str, ...], now: datetime) -> str | None:
    """The service that a call is about, by its short name."""
    if action_of(path) == "buy":
        return PRODUCTS.get(path[-1])
    try:
        return provider.find(path[-1], now).service
    except Denied:
        return None


def answer(
    provider: SimulatedProvider,
    path: tuple[str, ...],
    params: Mapping[str, str],
    authorization: str | None,
    now: datetime,
) -> Said:
    """The answer to GET /v1/<path>."""
    action = ACTIONS.get((*path[:1], action_of(path)))
    if action is None:
        return Said("404 page not found", 404, "text/plain")
    if path[0] == "user" and authorization != f"Bearer {API_KEY}":
        return Said("", 401, "text/plain")
    try:
        return Said(json.dumps(action(Asked(provider, path, params, now))), 200, "application/json")
    except Said5 as error:
        return error.said


def _buy(asked: Asked) -> Row:
    if len(asked.path) != 6 or asked.path[2] != "activation":
        raise Said5("no product")
    country, operator, product = asked.path[3:]
    if country != "any" and country not in COUNTRIES:
        raise Said5("bad country")
    if operator not in OPERATORS:
        raise Said5("bad operator")
    if product not in PRODUCTS:
        raise Said5("no product")
    short = COUNTRIES.get(country, "6")
    try:
        most = _max_price(asked.params) if operator == "any" else PRICE
        number = asked.provider.buy(PRODUCTS[product], short, None, most, asked.now)
    except Denied as denied:
        raise _not_sold(denied) from None
    return _order(asked, number)


def _not_sold(denied: Denied) -> Said5:
    if denied.word == "NO_BALANCE":
        return Said5("not enough user balance")
    return Said5("no free phones", 200)


def _max_price(params: Mapping[str, str]) -> Decimal:
    try:
        return Decimal(params.get("maxPrice") or "Infinity")
    except InvalidOperation:
        return Decimal(0)


def _check(asked: Asked) -> Row:
    return _order(asked, asked.number(404))


def _finish(asked: Asked) -> Row:
    return _ended(asked, lambda number: asked.provider.finish(number))


def _cancel(asked: Asked) -> Row:
    return _ended(asked, lambda number: asked.provider.cancel(number, asked.now))


def _ban(asked: Asked) -> Row:
    return _ended(asked, lambda number: asked.provider.cancel(number, asked.now, by="ban"))


def _ended(asked: Asked, end: Callable[[Number], None]) -> Row:
    number = asked.number()
    try:
        end(number)
    except Denied as denied:
        raise Said5(REFUSALS.get(denied.why, "you need to wait time")) from None
    return _order(asked, number)


REFUSALS = {
    "has_sms": "order has sms",
    "no_sms": "order no sms",
    "timeout": "order expired",
    "over": "order not found",
}


def _order(asked: Asked, number: Number) -> Row:
    return {
        "id": int(number.id),
        "created_at": asked.told(number.bought_at),
        "phone": f"+{number.phone}",
        "product": BY_NAME[number.service],
        "price": float(PRICE),
        "operator": "virtual4",
        "status": _status(number),
        "expires": asked.told(number.expires_at),
        "sms": [_sms(asked, sms) for sms in number.sms] or None,
        "forwarding": False,
        "forwarding_number": "",
        "country": COUNTRY_NAMES[number.country],
    }


def _status(number: Number) -> str:
    if number.state == "active":
        return "RECEIVED"  # which says that the number is ours, not that anything came
    if number.state == "finished":
        return "FINISHED"
    return {"time": "TIMEOUT", "ban": "BANNED"}.get(number.ended_by, "CANCELED")


def _sms(asked: Asked, sms: Delivery) -> Row:
    told = asked.told(sms.at)
    return {
        "created_at": told,
        "date": told,
        "sender": "Simulator",
        "text": sms.text,
        "code": sms.code or "",
    }


def _orders(asked: Asked) -> Row:
    if asked.params.get("category") != "activation":
        raise Said5("bad category")
    every = {number.id: number for number in asked.provider.numbers(asked.now)}
    ids = asked.provider.chaos.listed("orders", list(every))
    if asked.params.get("reverse") == "true":
        ids.reverse()
    first, count = _whole(asked, "offset", 0), _whole(asked, "limit", TOO_MANY_ROWS)
    shown = ids[first : first + min(count, TOO_MANY_ROWS)]
    return {
        "Data": [_order(asked, every[id]) for id in shown],
        "ProductNames": [],
        "Statuses": [],
        "Total": len(every),
    }


def _whole(asked: Asked, name: str, otherwise: int) -> int:
    text = asked.params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else otherwise


def _profile(asked: Asked) -> Row:
    return {
        "id": 1,
        "email": "someone@example.org",
        "balance": float(asked.provider.balance),
        "rating": 96,
        "frozen_balance": 0,
        "default_country": {"name": "russia", "iso": "ru", "prefix": "+7"},
        "default_operator": {"name": "any"},
    }


def _prices(asked: Asked) -> Row | None:
    country, product = asked.params.get("country"), asked.params.get("product")
    if country is not None and country not in COUNTRIES:
        raise Said5("bad country")
    offer = {"virtual4": {"cost": float(PRICE), "count": STOCK, "rate": 99.9}}
    products = [name for name in PRODUCTS if product in (None, name)]
    if not products:
        return None
    names = [name for name in COUNTRIES if country in (None, name)]
    return {name: dict.fromkeys(products, offer) for name in names}


def _products(asked: Asked) -> Row:
    if asked.path[2:3] and asked.path[2] not in ("any", *COUNTRIES):
        raise Said5("bad country")
    return {
        name: {"Category": "activation", "Qty": STOCK, "Price": float(PRICE)} for name in PRODUCTS
    }


def _countries(_asked: Asked) -> Row:
    return {
        name: {
            "iso": {name[:2]: 1},
            "prefix": {f"+{PREFIXES[short][:-1]}": 1},
            "text_en": name.title(),
            "text_ru": name.title(),
            "virtual4": {"activation": 1},
        }
        for name, short in COUNTRIES.items()
    }


ACTIONS: Mapping[tuple[str, ...], Action] = {
    ("user", "buy"): _buy,
    ("user", "check"): _check,
    ("user", "finish"): _finish,
    ("user", "cancel"): _cancel,
    ("user", "ban"): _ban,
    ("user", "orders"): _orders,
    ("user", "profile"): _profile,
    ("guest", "prices"): _prices,
    ("guest", "products"): _products,
    ("guest", "countries"): _countries,
}
