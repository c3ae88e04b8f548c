"""The course of a purchase: from `requested` to a number, or to the reason why there is none.

Pure. Promised: no number is bought twice, because the intent is written down before the provider
hears of it, and a purchase whose answer is unknown is repeated only under a reference that the
provider recognises. None is paid for and lost: from the intent on, until the provider plainly said
no, the purchase is in doubt, and its number is looked for in the provider's list. Where nothing can
tell, it stays in doubt for an operator (sonnette.in_doubt), and nothing is tried again.
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
    NotNow,
    PriceChanged,
    Refused,
)
from poller.providers.base import Order
from poller.steps import Answer, Buy, Course, FindLost, Found, became, led_nowhere
from poller.work import LIFETIME, NumberBought, Outcome, PurchaseFailed, Row

UNANSWERED = "purchase unanswered"  # begins last_error from the intent until the answer is written
REFUSED_FOR_NOW = ("RATE_LIMIT",)
HALF_A_CENT = Decimal("0.005")  # what rounding may have taken from the price
SMALLEST = Decimal("0.0001")

BUY_WITHIN = timedelta(minutes=2)  # who has waited longer wants the money, not a number
# No number of any documented provider lives longer, and one that ran out unused costs nothing.
DOUBT_ENDS_AFTER = timedelta(hours=1)
LOOK_FOR_OPERATOR = timedelta(minutes=10)


def purchase(row: Row, account: Account, now: datetime) -> Course | Outcome:
    """Buy the number that `row` asks for, or find the one that may have been bought for it."""
    may_buy = now < row.created_at + BUY_WITHIN
    if not _is_in_doubt(row):
        failed = became(row, now, "failed", PurchaseFailed("provider_error"))
        return _buy(row, account) if may_buy else failed
    if account.speaks.has_order_id and may_buy:
        return _buy(row, account)
    if account.speaks.has_list:
        return _look_for_it(row, account, None)
    return Outcome(row, look_at=now + LOOK_FOR_OPERATOR, error=f"{UNANSWERED}: nothing can tell")


def order_for(row: Row, account: Account) -> Order:
    """The order, at no higher price than the one that the user's price was made from."""
    operator = None if row.operator in (None, "any") else row.operator
    most = ((row.price + HALF_A_CENT) / account.markup).quantize(SMALLEST, ROUND_UP)
    return Order(str(row.id), row.service_code, row.country_code, operator, most)


def _buy(row: Row, account: Account) -> Course:
    in_doubt = _is_in_doubt(row)
    heard = yield Buy(order_for(row, account), None if in_doubt else row.id)
    failure = _failure(heard.answer)
    if isinstance(heard.answer, Bought):
        return _bought(row, account, heard.answer, heard.now)
    if isinstance(heard.answer, AlreadyOrdered) or (failure and in_doubt):
        return (yield from _look_for_it(row, account, failure))
    if failure:
        return became(row, heard.now, "failed", PurchaseFailed(failure))
    lost = in_doubt or _is_uncertain(heard.answer)
    return led_nowhere(row, heard, UNANSWERED if lost else "purchase")


def _look_for_it(row: Row, account: Account, failure: str | None) -> Course:
    heard = yield FindLost(row)
    if not isinstance(heard.answer, Found):
        return led_nowhere(row, heard, UNANSWERED)
    number = heard.answer.number
    if number is not None and number.phone is not None:
        return _adopted(row, account, number, number.phone, heard.now)
    if failure is None and heard.now >= row.created_at + DOUBT_ENDS_AFTER:
        failure = "provider_error"
    if failure:
        return became(row, heard.now, "failed", PurchaseFailed(failure))
    # Not listed yet: absence proves nothing while such a number could live.
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
    if isinstance(answer, AccountRefused | NotNow):
        return False
    return answer.sent if isinstance(answer, NoAnswer) else True


def mistaken(row: Row, error: str) -> str:
    """last_error after a mistake of our own: a purchase that may have been made stays in doubt."""
    return f"{UNANSWERED}: {error}" if row.status == "requested" else error


def _is_in_doubt(row: Row) -> bool:
    return row.last_error is not None and row.last_error.startswith(UNANSWERED)
