"""The 5sim dialect (REST): its paths, and what each documented answer means.

Promised to the client: every parser takes any Reply and returns an answer of answers.py, whatever
garbage it holds. Errors are plain text, with HTTP 400 or, like "no free phones", with 200. RECEIVED
is the status of a number that waits: only what stands in `sms` proves that something came.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn, TypeVar
from urllib.parse import quote

from poller.providers import five_sim_orders, wire
from poller.providers.answers import (
    AccountRefused,
    Arrived,
    AskedAgain,
    Balance,
    BalanceAnswer,
    Bought,
    BuyAnswer,
    Cancelled,
    Finished,
    NoMoney,
    NoNumbers,
    NotKnown,
    PriceList,
    PricesAnswer,
    Refused,
    SetAnswer,
    StatusAnswer,
    Unexpected,
    Waiting,
)
from poller.providers.base import Order
from poller.providers.five_sim_orders import Orders, Sold
from poller.providers.wire import Document, Garbage, NotDocumented, Reply

T = TypeVar("T")

UNAUTHORIZED, RATE_LIMITED = 401, 429
PAGE_ROWS = 100
# A number lives for 15 minutes. Orders older than this, seen from the newest, are over.
LIST_REACHES_BACK = timedelta(minutes=30)

BUY_REFUSALS = (
    *("select country", "select operator", "bad country", "bad operator", "no product"),
    *("country is incorrect", "product is incorrect", "not enough rating"),
)
SET_REFUSALS = ("order expired", "order has sms", "order no sms", "hosting order")
TOO_EARLY = "you need to wait time"
UNKNOWN = ("order not found", "record not found")
_SENTENCE = re.compile(r"[a-z][a-z ,]{2,60}")


@dataclass(frozen=True)
class Sentence:
    """An error in words, such as `order not found`."""

    text: str

    @property
    def word(self) -> str:
        """As one word, in the manner of the other dialects."""
        return re.sub(r"[ ,]+", "_", self.text).upper()[:40]


def buy_path(order: Order) -> str:
    """Where a number is bought; what any other operator costs cannot be limited there."""
    country, product = quote(order.country_code, safe=""), quote(order.service_code, safe="")
    return f"/user/buy/activation/{country}/any/{product}"


def order_path(action: str, order_id: str) -> str:
    """Where something is asked of one order: check, cancel or finish."""
    return f"/user/{action}/{quote(order_id, safe='')}"


def buy_params(order: Order) -> Mapping[str, str]:
    return {} if order.max_cost is None else {"maxPrice": f"{order.max_cost:f}"}


def page_params(start: int, rows: int) -> Mapping[str, str]:
    """The parameters of one page of /user/orders, newest first."""
    return {
        "category": "activation",
        "limit": str(rows),
        "offset": str(start),
        "order": "id",
        "reverse": "true",
    }


def bought(reply: Reply) -> BuyAnswer:
    """What a purchase answered. "server offline" and its like leave open what was done."""
    return _answer(reply, _bought_order, _bought_sentence)


def status(reply: Reply) -> StatusAnswer:
    """What /user/check answered: all SMS if there are any, else whether the number is alive."""
    return _answer(reply, lambda found: _status(_order(found)), _known_sentence)


def cancelled(reply: Reply) -> SetAnswer:
    """What /user/cancel answered."""
    return _answer(reply, lambda found: _ended(_order(found), Cancelled()), _set_sentence)


def finished(reply: Reply) -> SetAnswer:
    """What /user/finish answered."""
    return _answer(reply, lambda found: _ended(_order(found), Finished()), _set_sentence)


def collecting(reply: Reply) -> SetAnswer:
    """What /user/check says of one more SMS: a number collects them unasked until its end."""
    return _answer(reply, lambda found: _collecting(_order(found)), _set_sentence)


def orders(reply: Reply) -> Orders | AccountRefused | Unexpected:
    """One page of /user/orders."""
    return _answer(reply, five_sim_orders.orders, _no_sentence)


def reaches_back(newest: datetime | None, oldest: datetime | None) -> bool:
    """Whether a page that ends with `oldest` has all that can be alive, by the newest order."""
    return newest is not None and oldest is not None and newest - oldest >= LIST_REACHES_BACK


def balance(reply: Reply) -> BalanceAnswer:
    """What /user/profile answered."""
    return _answer(reply, _balance, _no_sentence)


def prices(reply: Reply) -> PricesAnswer:
    """What /guest/prices answered: `{country: {product: {operator: {cost, count}}}}`."""
    if reply.body.strip() == b"null" and reply.http_status == 200:
        return PriceList(())
    return _answer(reply, five_sim_orders.price_list, _no_sentence)


def _answer(
    reply: Reply, on_document: Callable[[Document], T], on_sentence: Callable[[Sentence], T]
) -> T | AccountRefused | Unexpected:
    if reply.http_status == RATE_LIMITED:
        return AccountRefused("RATE_LIMIT", reply.retry_after_s)
    if reply.http_status == UNAUTHORIZED:
        return AccountRefused("UNAUTHORIZED", reply.retry_after_s)
    found = _read(reply)
    if isinstance(found, Garbage):
        return wire.failing(reply, found.label)
    try:
        return on_sentence(found) if isinstance(found, Sentence) else on_document(found)
    except ValueError:
        return Unexpected(found.word if isinstance(found, Sentence) else "json")


def _read(reply: Reply) -> Sentence | Document | Garbage:
    if reply.http_status < 500:
        text = reply.body.decode("utf-8", "replace").strip()
        if _SENTENCE.fullmatch(text):
            return Sentence(text)
    found = wire.read(reply)
    # Words in capitals belong to the other family.
    return Garbage("text") if isinstance(found, wire.Word) else found


def _order(found: Document) -> Sold:
    return five_sim_orders.order(found)


def _bought_order(found: Document) -> Bought:
    order = _order(found)
    return Bought(order.id, order.phone, order.operator, order.price, order.lifetime_s)


def _bought_sentence(said: Sentence) -> BuyAnswer:
    if said.text == "no free phones":
        return NoNumbers()
    if said.text == "not enough user balance":
        return NoMoney()
    if said.text in BUY_REFUSALS:
        return Refused(said.word)
    raise NotDocumented


def _status(order: Sold) -> StatusAnswer:
    if order.sms:
        return Arrived(order.sms[-1], order.sms[:-1], whole=True)
    return Waiting() if order.alive else Cancelled()


def _ended(order: Sold, agreed: Cancelled | Finished) -> SetAnswer:
    if order.alive:
        raise NotDocumented
    return agreed


def _collecting(order: Sold) -> SetAnswer:
    return AskedAgain() if order.alive else Refused(f"ORDER_{order.status}")


def _known_sentence(said: Sentence) -> NotKnown:
    if said.text in UNKNOWN:
        return NotKnown()
    raise NotDocumented


def _set_sentence(said: Sentence) -> SetAnswer:
    if said.text in UNKNOWN:
        return NotKnown()
    if said.text == TOO_EARLY:
        return Refused("EARLY_CANCEL_DENIED")
    if said.text in SET_REFUSALS:
        return Refused(said.word)
    raise NotDocumented


def _balance(found: Document) -> Balance:
    if isinstance(found, list):
        raise NotDocumented
    return Balance(wire.amount(found.get("balance")))


def _no_sentence(_said: Sentence) -> NoReturn:
    raise NotDocumented
