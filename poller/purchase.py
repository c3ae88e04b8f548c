"""The course of a purchase: from `requested` to a number, or to the reason why there is none.

Pure. Promised: no number is bought twice, because every try carries the same reference; none is
paid for and lost, because a refusal after a try whose answer was lost is believed only once the
provider's list has been looked through.
"""

from datetime import datetime, timedelta
from decimal import ROUND_UP, Decimal

from poller.accounts import Account
from poller.providers.answers import (
    AccountRefused,
    ActiveRow,
    AlreadyOrdered,
    Bought,
    NoAnswer,
    NoMoney,
    NoNumbers,
    PriceChanged,
    Refused,
)
from poller.providers.base import Order
from poller.steps import Answer, Buy, Course, FindLost, Found, became, led_nowhere
from poller.work import LIFETIME, NumberBought, Outcome, PurchaseFailed, Row

UNANSWERED = "purchase unanswered"  # begins last_error from the first lost answer on
REFUSED_FOR_NOW = ("RATE_LIMIT", "CHANNELS_LIMIT")
HALF_A_CENT = Decimal("0.005")  # what rounding may have taken from the price
SMALLEST = Decimal("0.0001")


def purchase(row: Row, account: Account) -> Course:
    """Buy the number that `row` asks for."""
    heard = yield Buy(order_for(row, account))
    failure = _failure(heard.answer)
    if isinstance(heard.answer, Bought):
        return _bought(row, account, heard.answer, heard.now)
    if isinstance(heard.answer, AlreadyOrdered) or (failure and _may_have_bought(row)):
        return (yield from _look_for_it(row, account, failure))
    if failure:
        return became(row, heard.now, "failed", PurchaseFailed(failure))
    lost = _may_have_bought(row) or _is_uncertain(heard.answer)
    return led_nowhere(row, heard, UNANSWERED if lost else "purchase")


def order_for(row: Row, account: Account) -> Order:
    """The order, at no higher price than the one that the user's price was made from."""
    operator = None if row.operator in (None, "any") else row.operator
    most = ((row.price + HALF_A_CENT) / account.markup).quantize(SMALLEST, ROUND_UP)
    return Order(str(row.id), row.service_code, row.country_code, operator, most)


def _look_for_it(row: Row, account: Account, failure: str | None) -> Course:
    heard = yield FindLost(row)
    if not isinstance(heard.answer, Found):
        return led_nowhere(row, heard, UNANSWERED)
    number = heard.answer.number
    if number is not None and number.phone is not None:
        return _adopted(row, account, number, number.phone, heard.now)
    if failure:
        return became(row, heard.now, "failed", PurchaseFailed(failure))
    # "Already ordered" and yet not listed: absence proves nothing, so it is looked for again.
    return led_nowhere(row, heard, UNANSWERED)


def _bought(row: Row, account: Account, bought: Bought, now: datetime) -> Outcome:
    lifetime = timedelta(seconds=bought.lifetime_s) if bought.lifetime_s else LIFETIME
    operator = None if bought.operator == "any" else bought.operator
    change = NumberBought(
        order_id=bought.order_id,
        phone=bought.phone,
        operator=operator,
        cancel_after=now + timedelta(seconds=account.cancel_after_s),
        expires_at=now + lifetime,
    )
    return became(row, now, "pending", change)


def _adopted(row: Row, account: Account, number: ActiveRow, phone: str, now: datetime) -> Outcome:
    return _bought(row, account, Bought(number.order_id, phone), now)


def _failure(answer: Answer) -> str | None:
    """The reason for users, where the provider plainly did not sell; None where it may yet."""
    match answer:
        case NoNumbers():
            return "no_numbers"
        case NoMoney():
            return "no_balance"
        case PriceChanged():
            return "price_changed"
        case Refused():
            return "provider_error"
        case AccountRefused(word=word) if word not in REFUSED_FOR_NOW:
            return "provider_error"
        case _:
            return None


def _is_uncertain(answer: Answer) -> bool:
    if isinstance(answer, AccountRefused):
        return False
    return answer.sent if isinstance(answer, NoAnswer) else True


def _may_have_bought(row: Row) -> bool:
    return row.last_error is not None and row.last_error.startswith(UNANSWERED)
