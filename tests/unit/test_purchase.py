"""A purchase: one number at most, and the reason where there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

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
    Unexpected,
)
from poller.providers.base import Order
from poller.purchase import (
    BUY_WITHIN,
    DOUBT_ENDS_AFTER,
    UNANSWERED,
    mistaken,
    order_for,
    purchase,
)
from poller.steps import Answer, Buy, FindLost, Found, Heard, Question
from poller.work import NumberBought, Outcome, PurchaseFailed, Row

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ACCOUNT = Account("first", "sms-activate", "http://provider.example", "a-key")
ROW = Row(
    id=UUID(int=1),
    status="requested",
    order_id=None,
    service_code="wa",
    country_code="6",
    operator=None,
    price=Decimal("0.50"),
    charged=False,
    created_at=NOW,
    updated_at=NOW,
    expires_at=None,
)
LOST = replace(ROW, last_error=f"{UNANSWERED}: timeout", attempts=1)
LISTED = ActiveRow("9", "6281234567", "wa", "6")


def follow(
    of: Row, *answers: Answer, account: Account = ACCOUNT, now: datetime = NOW
) -> tuple[list[Question], Outcome]:
    """The questions that were asked, and the outcome."""
    course, left = purchase(of, account, now), list(answers)
    if isinstance(course, Outcome):
        assert not left
        return [], course
    asked = [next(course)]
    while True:
        try:
            asked.append(course.send(Heard(left.pop(0), now)))
        except StopIteration as end:
            assert not left
            outcome: Outcome = end.value
            return asked, outcome


def error(of: Row, *answers: Answer) -> str:
    """Why it is tried again later; nothing may have changed."""
    outcome = follow(of, *answers)[1]
    assert outcome.changes == ()
    assert outcome.look_at is not None
    assert outcome.error is not None
    return outcome.error


def test_the_order_carries_our_id_and_the_price_that_was_promised() -> None:
    assert order_for(ROW, ACCOUNT) == Order(str(ROW.id), "wa", "6", None, Decimal("0.5050"))
    assert order_for(replace(ROW, operator="any"), ACCOUNT).operator is None
    assert order_for(replace(ROW, operator="mtt"), ACCOUNT).operator == "mtt"


@pytest.mark.parametrize("cost", ["0.5", "0.333", "0.0049", "12.3456"])
@pytest.mark.parametrize("markup", ["1", "1.25", "1.333", "0.5"])
def test_rounding_never_puts_the_highest_price_under_the_provider_s(cost: str, markup: str) -> None:
    price = (Decimal(cost) * Decimal(markup)).quantize(Decimal("0.01"))
    account = replace(ACCOUNT, markup=Decimal(markup))
    most = order_for(replace(ROW, price=price), account).max_cost
    assert most is not None
    assert Decimal(cost) <= most
    assert (most - Decimal(cost)) * Decimal(markup) <= Decimal("0.011")


def test_a_number_is_bought() -> None:
    asked, outcome = follow(ROW, Bought("9", "6281234567", "any", lifetime_s=900))
    assert asked == [Buy(order_for(ROW, ACCOUNT), begins=ROW.id)]
    assert outcome.changes == (
        NumberBought(
            order_id="9",
            phone="6281234567",
            operator=None,
            cancel_after=NOW + timedelta(seconds=120),
            expires_at=NOW + timedelta(seconds=900),
        ),
    )
    assert outcome.look_at is not None
    assert outcome.look_at - NOW < timedelta(seconds=1.5)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (NoNumbers(), "no_numbers"),
        (PriceChanged(), "price_changed"),
        (NoMoney(), "no_balance"),
        (Refused("BAD_SERVICE"), "provider_error"),
        (AccountRefused("BAD_KEY"), "provider_error"),
    ],
)
def test_a_plain_no_fails_it_with_a_reason(answer: Answer, failure: str) -> None:
    asked, outcome = follow(ROW, answer)
    assert len(asked) == 1
    assert outcome.changes == (PurchaseFailed(failure),)
    assert outcome.look_at is None


@pytest.mark.parametrize("answer", [NoAnswer("timeout"), Unexpected("html"), Unexpected("json")])
def test_a_lost_answer_is_remembered_as_one(answer: Answer) -> None:
    assert error(ROW, answer).startswith(UNANSWERED)


@pytest.mark.parametrize(
    "answer",
    [
        NoAnswer("not_reached", sent=False),
        AccountRefused("RATE_LIMIT", 3),
        NotNow("CHANNELS_LIMIT"),
    ],
)
def test_what_surely_bought_nothing_is_no_lost_answer(answer: Answer) -> None:
    assert not error(ROW, answer).startswith(UNANSWERED)
    assert error(LOST, answer).startswith(UNANSWERED), "an earlier one stays lost"


@pytest.mark.parametrize("answer", [AlreadyOrdered(), NoNumbers(), AccountRefused("BANNED")])
def test_after_a_lost_answer_the_number_is_looked_for(answer: Answer) -> None:
    asked, outcome = follow(LOST, answer, Found(LISTED))
    assert asked[1] == FindLost(LOST)
    (change,) = outcome.changes
    assert isinstance(change, NumberBought)
    assert (change.order_id, change.phone) == ("9", "6281234567")


def test_after_a_lost_answer_a_refusal_is_believed_once_the_list_was_seen() -> None:
    assert follow(LOST, NoNumbers(), Found(None))[1].changes == (PurchaseFailed("no_numbers"),)
    assert error(LOST, NoNumbers(), Unexpected("html")).startswith(UNANSWERED)


def test_already_ordered_and_not_listed_is_looked_for_again() -> None:
    assert error(ROW, AlreadyOrdered(), Found(None)).startswith(UNANSWERED)
    assert error(LOST, AlreadyOrdered(), NoAnswer("timeout")).startswith(UNANSWERED)


def test_a_repeat_that_is_answered_is_as_good_as_the_first() -> None:
    (change,) = follow(LOST, Bought("9", "6281234567"))[1].changes
    assert isinstance(change, NumberBought)


# A provider without an order id, and one without a list as well.
LISTS = replace(ACCOUNT, dialect="hero")
NOTHING = replace(ACCOUNT, dialect="smshub")
LATER = NOW + BUY_WITHIN
TOO_LATE = NOW + DOUBT_ENDS_AFTER


def test_a_repeat_under_our_reference_needs_no_second_intent() -> None:
    asked, _ = follow(LOST, Bought("9", "6281234567"))
    assert asked == [Buy(order_for(LOST, ACCOUNT), begins=None)]


def test_without_an_order_id_nothing_is_bought_again() -> None:
    asked, outcome = follow(LOST, Found(LISTED), account=LISTS)
    assert asked == [FindLost(LOST)]
    (change,) = outcome.changes
    assert isinstance(change, NumberBought)
    asked, outcome = follow(LOST, Found(None), account=LISTS)
    assert asked == [FindLost(LOST)]
    assert outcome.changes == ()
    assert outcome.error == f"{UNANSWERED}: not_listed"


def test_without_order_id_and_list_it_stays_in_doubt_and_nobody_is_asked() -> None:
    for now in (NOW, LATER, TOO_LATE):
        asked, outcome = follow(LOST, account=NOTHING, now=now)
        assert asked == []
        assert outcome.changes == ()
        assert outcome.error is not None
        assert outcome.error.startswith(UNANSWERED)
        assert outcome.look_at is not None
        assert outcome.look_at > now


def test_a_purchase_that_was_never_made_is_given_up_after_two_minutes() -> None:
    waiting = replace(ROW, last_error="purchase: not_reached", attempts=3)
    assert follow(waiting, now=LATER)[1].changes == (PurchaseFailed("provider_error"),)
    assert len(follow(waiting, NoNumbers(), now=LATER - timedelta(seconds=1))[0]) == 1


def test_after_two_minutes_one_in_doubt_is_looked_for_and_not_bought() -> None:
    assert follow(LOST, Found(LISTED), now=LATER)[0] == [FindLost(LOST)]


@pytest.mark.parametrize("account", [ACCOUNT, LISTS])
def test_doubt_ends_when_such_a_number_cannot_live_any_more_and_is_not_listed(
    account: Account,
) -> None:
    before = TOO_LATE - timedelta(seconds=1)
    assert follow(LOST, Found(None), account=account, now=before)[1].changes == ()
    ended = follow(LOST, Found(None), account=account, now=TOO_LATE)[1]
    assert ended.changes == (PurchaseFailed("provider_error"),)
    assert follow(LOST, NoAnswer("timeout"), account=account, now=TOO_LATE)[1].changes == ()


def test_a_mistake_of_ours_leaves_a_purchase_in_doubt() -> None:
    assert mistaken(ROW, "a mistake").startswith(UNANSWERED)
    assert mistaken(replace(ROW, status="pending"), "a mistake") == "a mistake"
