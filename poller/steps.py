"""The steps that every course shares: questions, what is heard, and the ways to end.

Pure. A course is a generator: it yields a Question, is sent what was Heard, and returns an Outcome.
"""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from db.activation import OVER, Status
from poller import schedule
from poller.providers.answers import (
    AccountRefused,
    ActiveRow,
    AllAnswer,
    BuyAnswer,
    NoAnswer,
    NoList,
    NotNow,
    Refused,
    SetAnswer,
    StatusAnswer,
    Trouble,
    Unexpected,
)
from poller.providers.base import Order
from poller.work import (
    AWAITS_ANOTHER,
    CLOSE_TO_EXPIRY,
    Change,
    Ended,
    Ending,
    Outcome,
    RequestKind,
    Row,
    SmsArrived,
)


@dataclass(frozen=True)
class Buy:
    """Buy a number. `begins`: the activation whose intent is to be written down before."""

    order: Order
    begins: UUID | None = None


@dataclass(frozen=True)
class FindLost:
    """Look through the provider's list for a number that was bought and whose answer was lost."""

    row: Row


@dataclass(frozen=True)
class Check:
    """Ask for one number."""

    order_id: str


@dataclass(frozen=True)
class ReadAll:
    """Ask for everything that is still known of a number."""

    order_id: str


@dataclass(frozen=True)
class Cancel:
    """Give a number back."""

    order_id: str


@dataclass(frozen=True)
class Finish:
    """Close a number that has had its SMS."""

    order_id: str


@dataclass(frozen=True)
class AskAgain:
    """Ask for one more SMS on a number."""

    order_id: str


@dataclass(frozen=True)
class Found:
    """What FindLost found: a number that no activation has, or None."""

    number: ActiveRow | None


Question: TypeAlias = Buy | FindLost | Check | ReadAll | Cancel | Finish | AskAgain
Answer: TypeAlias = BuyAnswer | StatusAnswer | AllAnswer | SetAnswer | Found | NoList | Trouble


@dataclass(frozen=True)
class Heard:
    """An answer, and the time at which it came."""

    answer: Answer
    now: datetime


Course: TypeAlias = Generator[Question, Heard, Outcome]


def still_waiting(row: Row, now: datetime, *changes: Change) -> Outcome:
    """The number is alive: look again when its age says so."""
    return became(row, now, "received" if row.status == "received" else "pending", *changes)


def became(row: Row, now: datetime, status: Status, *changes: Change) -> Outcome:
    """The changes lead to `status`, which answers whatever was asked for."""
    has_news = any(isinstance(change, SmsArrived) for change in changes)
    said = answered(row, status, has_news)
    return Outcome(row, changes, next_look(row, now, status), answered=said)


def ended(row: Row, now: datetime, status: Ending, failure: str | None = None) -> Outcome:
    """The number is over."""
    return became(row, now, status, Ended(status, failure))


def taken_back(row: Row, now: datetime) -> Outcome:
    """The provider has taken the number back by itself."""
    if row.charged:
        return ended(row, now, "completed")
    if row.status == "cancelling":
        return ended(row, now, "cancelled")
    if now >= row.ends_at - CLOSE_TO_EXPIRY:
        return ended(row, now, "timeout")
    return ended(row, now, "cancelled", "cancelled_by_provider")


def led_nowhere(row: Row, heard: Heard, doing: str, *changes: Change) -> Outcome:
    """Leave the row as it is (but for news) and try again later; nobody's request is answered."""
    failures = row.attempts if row.last_error is not None else 0
    wait_s = schedule.retry_s(failures, seed(row), said_s=said_s(heard.answer))
    error = f"{doing}: {word(heard.answer)}"
    if row.awaits_another:
        error = f"{AWAITS_ANOTHER}; {error}"
    return Outcome(row, changes, heard.now + timedelta(seconds=wait_s), error)


def said_s(answer: object) -> int:
    """For how many seconds the provider wants to be left alone; 0 where it does not say."""
    said = answer.retry_after_s if isinstance(answer, AccountRefused | Unexpected) else None
    return min(said or 0, schedule.MAX_SAID_S)


def word(answer: Answer) -> str:
    """An answer as one word for logs and sonnette.work."""
    if isinstance(answer, Refused | NotNow | AccountRefused | Unexpected | NoAnswer):
        return answer.word
    if isinstance(answer, Found):
        return "not_listed"
    return type(answer).__name__


def next_look(row: Row, now: datetime, status: Status) -> datetime | None:
    """When to look again at a row that is or becomes `status`; None where it is over."""
    if status in OVER:
        return None
    if status == "received":
        return row.ends_at
    since = row.updated_at if row.status == status else now
    return schedule.next_check_at(now, waiting_since=since, expires_at=row.ends_at, seed=seed(row))


def seed(row: Row) -> int:
    """Another one for each row and each look."""
    return row.id.int + row.attempts


def answered(row: Row, status: Status, has_news: bool = False) -> tuple[tuple[int, str], ...]:
    """A word for every open request of the row, whose status is or becomes `status`."""
    return tuple(
        (request.id, _outcome(request.kind, status, has_news))
        for request in row.requests
        if request.kind != "recover"  # answered by poller/rereading.py alone
    )


def _outcome(kind: RequestKind, status: Status, has_news: bool) -> str:
    refused = kind in ("cancel", "finish") and status in ("pending", "received")
    no_further = kind == "another" and status == "received" and not has_news
    return "refused" if refused or no_further else status
