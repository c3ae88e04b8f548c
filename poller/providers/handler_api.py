"""The common grammar of the handler_api.php family: its questions, and what each answer means.

Promised to the client: every parser takes any Reply and returns an answer of answers.py, whatever
garbage it holds. The words of all dialects are understood from each of them, because they are the
same words; dialects.py has what differs. Source: the providers' published documentation, as
gathered in docs/providers.md; error words are matched by prefix, because providers append what they
like to them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import IntEnum
from typing import TypeVar

from poller.providers import handler_lists, reading, wire
from poller.providers.answers import (
    AccountRefused,
    ActiveAnswer,
    ActiveList,
    AllAnswer,
    AllSms,
    AlreadyOrdered,
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
    NotNow,
    PriceChanged,
    PriceList,
    PricesAnswer,
    Refused,
    SetAnswer,
    Sms,
    StatusAnswer,
    Unexpected,
    Waiting,
)
from poller.providers.base import Order
from poller.providers.dialects import Dialect
from poller.providers.wire import Document, Garbage, Json, NotDocumented, Reply, Word

T = TypeVar("T")

RATE_LIMITED = 429
ACCOUNT_WORDS = (
    *("NO_KEY", "BAD_KEY", "BAD_ACTION", "BANNED"),
    *("CHANNELS_LIMIT", "ACCOUNT_INACTIVE", "RATE_LIMIT", "API_KEY_NOT_VALID"),
)
UNKNOWN_WORDS = ("NO_ACTIVATION", "WRONG_ACTIVATION_ID", "NOT_FOUND")
BUY_REFUSALS = (
    *("BAD_SERVICE", "WRONG_SERVICE", "BAD_COUNTRY", "WRONG_EXCEPTION_PHONE"),
    *("NOT_AVAILABLE", "SERVICE_NOT_AVAILABLE", "UNPROCESSABLE_ENTITY"),
)
SET_REFUSALS = (
    *("EARLY_CANCEL_DENIED", "BAD_STATUS", "OTP_RECEIVED", "NEW_OTP_RECEIVED"),
    *("FREE_CANCELLATION_EXPIRED", "ACTIVATION_NOT_ACTIVE", "BAD_SERVICE"),
)
ALL_SMS_ROWS = 100
MAX_LIFETIME_S = 30 * 86_400
EDGE_BLOCK = re.compile(rb"error (code: )?1020\b", re.IGNORECASE)
EDGE_BAN_S = 10


class SetStatus(IntEnum):
    """The numbers that setStatus takes."""

    RETRY = 3
    FINISH = 6
    CANCEL = 8


AGREED: Mapping[SetStatus, tuple[str, AskedAgain | Finished | Cancelled]] = {
    SetStatus.RETRY: ("ACCESS_RETRY_GET", AskedAgain()),
    SetStatus.FINISH: ("ACCESS_ACTIVATION", Finished()),
    SetStatus.CANCEL: ("ACCESS_CANCEL", Cancelled()),
}


def buy_params(order: Order, dialect: Dialect) -> Mapping[str, str]:
    """The parameters of a purchase; where there is orderId, it makes a repeat of it harmless."""
    params = {
        "action": dialect.buys_by,
        "service": order.service_code,
        "country": order.country_code,
    }
    if dialect.has_order_id:
        params["orderId"] = order.reference
    if order.operator is not None:
        params["operator"] = order.operator
    if order.max_cost is not None:
        params["maxPrice"] = f"{order.max_cost:f}"
    return params


def all_sms_params(order_id: str) -> Mapping[str, str]:
    """The parameters of getAllSms."""
    return {"action": "getAllSms", "id": order_id, "size": str(ALL_SMS_ROWS)}


def page_params(start: int, rows: int) -> Mapping[str, str]:
    """The parameters of one page of getActiveActivations."""
    return {"start": str(start), "limit": str(rows)}


def bought(reply: Reply) -> BuyAnswer:
    """What getNumberV2 answered, or ACCESS_NUMBER as getNumber gives it."""
    return _answer(reply, _bought_word, _bought_document, first=_purchase_alone)


def status(reply: Reply) -> StatusAnswer:
    """What getStatus answered. The code in STATUS_WAIT_RETRY is the previous one, never news."""
    return _answer(reply, _status_word)


def all_sms(reply: Reply) -> AllAnswer:
    """What getStatusV2 answered: the newest SMS with its text, or what was heard in a call.

    HeroSMS' getStatusV2 and getAllSms too, which have one or all under `data`.
    """
    return _answer(reply, lambda word: reading.from_status(_status_word(word)), _all_document)


def full_sms(reply: Reply) -> Sms | AccountRefused | Unexpected | None:
    """What getFullSms answered: the text of the newest SMS, as an Sms without a code."""
    return _answer(reply, _full_sms_word)


def set_answer(reply: Reply, asked: SetStatus) -> SetAnswer:
    """What setStatus answered; an agreement to something else than was asked is Unexpected."""
    return _answer(reply, lambda word: _set_word(word, asked))


def active(reply: Reply, dialect: Dialect) -> ActiveAnswer:
    """What getActiveActivations answered, in any of the four envelopes in use."""
    found = _answer(reply, _active_word, handler_lists.active_list)
    if isinstance(found, ActiveList) and not found.rows and dialect.empty_list_is_doubtful:
        return replace(found, whole=False)
    return found


def balance(reply: Reply) -> BalanceAnswer:
    """What getBalance answered."""
    return _answer(reply, _balance_word)


def prices(reply: Reply) -> PricesAnswer:
    """What getPrices answered: `{country: {service: {cost, count}}}`, or with `{price: count}` in
    the place of the innermost; `{}` or `[]` for none."""
    return _answer(reply, _no_word, handler_lists.price_list)


def _answer(
    reply: Reply,
    on_word: Callable[[Word], T],
    on_document: Callable[[Document], T] | None = None,
    first: Callable[[Word], T | None] = lambda _word: None,
) -> T | AccountRefused | Unexpected:
    """What the callbacks make of it; what they refuse with ValueError is Unexpected."""
    found = wire.read(reply)
    if reply.http_status == RATE_LIMITED:
        return AccountRefused("RATE_LIMIT", reply.retry_after_s)
    if isinstance(found, Garbage):
        # The wall in front of a provider that was asked too fast; it never heard the question.
        blocked = EDGE_BLOCK.match(reply.body.lstrip())
        limited = AccountRefused("RATE_LIMIT", EDGE_BAN_S)
        return limited if blocked else wire.failing(reply, found.label)
    try:
        if isinstance(found, Word):
            return first(found) or _account_refused(found, reply) or on_word(found)
        return on_document(found) if on_document else Unexpected("json")
    except ValueError:
        return Unexpected(wire.label(found.text) if isinstance(found, Word) else "json")


def _account_refused(word: Word, reply: Reply) -> AccountRefused | None:
    if not word.starts(*ACCOUNT_WORDS):
        return None
    said = wire.optional(wire.count, word.info.get("retry_after_seconds"))
    return AccountRefused(wire.label(word.text), reply.retry_after_s if said is None else said)


def _purchase_alone(word: Word) -> BuyAnswer | None:
    """Words that sound like the account's trouble, and are about purchases, or this one, alone."""
    if word.starts("CHANNELS_LIMIT"):
        return NotNow(wire.label(word.text))
    if word.starts("BANNED") and word.info.get("scope") == "specific":
        return Refused(wire.label(word.text))
    return None


def _bought_word(word: Word) -> BuyAnswer:
    if word.starts("ACCESS_NUMBER"):
        order_id, _, phone = word.rest.partition(":")
        return Bought(wire.order_id(order_id), wire.phone(phone))
    if word.starts("NO_NUMBERS"):
        return NoNumbers()
    if word.starts("NO_BALANCE"):
        return NoMoney()
    if word.starts("WRONG_MAX_PRICE"):
        return PriceChanged()
    if word.starts("ORDER_ALREADY_EXISTS"):
        return AlreadyOrdered()
    return _refused(word, BUY_REFUSALS)


def _bought_document(document: Document) -> Bought:
    if isinstance(document, list):
        raise NotDocumented
    return Bought(
        order_id=wire.order_id(document.get("activationId")),
        phone=wire.phone(document.get("phoneNumber")),
        operator=wire.optional(wire.code, document.get("activationOperator")),
        cost=wire.optional(wire.amount, document.get("activationCost")),
        lifetime_s=_lifetime_s(document),
    )


def _lifetime_s(document: dict[str, Json]) -> int | None:
    """From the two times together, because neither tells its time zone."""
    begin = document.get("activationTime")
    end = document.get("activationEndTime", document.get("activationEnd"))
    try:
        lifetime = datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(begin))
    except (ValueError, TypeError):
        return None
    seconds = int(lifetime.total_seconds())
    return seconds if 0 < seconds <= MAX_LIFETIME_S else None


def _status_word(word: Word) -> StatusAnswer:
    if word.starts("STATUS_OK"):
        return Arrived(_newest(word.rest))
    if word.starts("STATUS_WAIT_CODE"):
        return Waiting()
    if word.starts("STATUS_WAIT_RETRY", "STATUS_WAIT_RESEND"):
        return Waiting(again=True)
    if word.starts("STATUS_CANCEL"):
        return Cancelled()
    if word.starts(*UNKNOWN_WORDS):
        return NotKnown()
    raise NotDocumented


def _newest(text: str) -> Sms:
    code = wire.sms_part(text)
    if code is None:
        raise NotDocumented
    return Sms(code)


def _all_document(document: Document) -> AllSms:
    if isinstance(document, list):
        raise NotDocumented
    told = [document[name] for name in ("sms", "call", "data") if name in document]
    if not told:
        raise NotDocumented
    found = next((value for value in told if value), [])
    return AllSms(tuple(handler_lists.all_sms(found if isinstance(found, list) else [found])))


def _full_sms_word(word: Word) -> Sms | None:
    if word.starts("FULL_SMS"):
        text = wire.sms_part(word.rest)
        return Sms(None, text) if text else None
    if word.starts("STATUS_", *UNKNOWN_WORDS):
        return None
    raise NotDocumented


def _set_word(word: Word, asked: SetStatus) -> SetAnswer:
    agreed, answer = AGREED[asked]
    if word.starts(agreed):
        return answer
    if word.starts(*UNKNOWN_WORDS):
        return NotKnown()
    return _refused(word, SET_REFUSALS)


def _refused(word: Word, known: tuple[str, ...]) -> Refused:
    if not word.starts(*known):
        raise NotDocumented
    min_age_s = wire.optional(wire.count, word.info.get("minActivationTime"))
    return Refused(wire.label(word.text), cancel_after_s=min_age_s)


def _active_word(word: Word) -> ActiveList:
    if not word.starts("NO_ACTIVATIONS"):
        raise NotDocumented
    return ActiveList(())


def _balance_word(word: Word) -> Balance:
    if not word.starts("ACCESS_BALANCE"):
        raise NotDocumented
    return Balance(wire.amount(word.rest))


def _no_word(word: Word) -> PriceList:
    raise NotDocumented
