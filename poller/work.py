"""What the poller has to do, and what came of it: plain values between the database, the decisions
and the provider.

Pure. A Row is an activation as it was read; an Outcome is what is to be written about it, all of it
in one transaction, and is still only a wish: the functions of the database have the last word.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from db.activation import OVER, Status
from poller.providers.answers import Sms

LIFETIME = timedelta(minutes=20)  # where the provider does not say when a number ends
CLOSE_TO_EXPIRY = timedelta(seconds=60)  # two clocks and a slow answer

# Begins last_error of a row whose provider was seen to wait for one more SMS before it failed.
AWAITS_ANOTHER = "another SMS awaited"

RequestKind: TypeAlias = Literal["buy", "check", "cancel", "finish", "another", "recover"]
Source: TypeAlias = Literal["poller", "recover", "webhook"]
NumberState: TypeAlias = Literal["alive", "over", "unknown"]
Ending: TypeAlias = Literal["cancelled", "timeout", "failed", "completed"]


@dataclass(frozen=True)
class Request:
    """What a user asked for and has not been answered yet."""

    id: int
    kind: RequestKind


@dataclass(frozen=True)
class Hint:
    """A webhook that is not confirmed yet: what it tells, and how often that was tried."""

    id: int
    code: str | None
    text: str | None
    tries: int = 0

    def __repr__(self) -> str:
        return f"Hint(id={self.id}, tries={self.tries})"


@dataclass(frozen=True)
class HintClosed:
    """Nothing more is done about a webhook."""

    id: int
    outcome: Literal["confirmed", "unconfirmed", "unanswered"]


@dataclass(frozen=True)
class HintLater:
    """The provider is asked again about a webhook at that time."""

    id: int
    at: datetime


@dataclass(frozen=True)
class Row:
    """An activation that is due, with every SMS that is stored for it, oldest first.

    `message_ids` are those of `known`; `late` are SMS that came after the money went back; `hints`
    are webhooks that are to be confirmed now.
    `order_id` None: the provider has sold no number for it. `last_error`: why the last look at it
    led nowhere, None if it did not; `attempts` counts the looks since its status changed.
    """

    id: UUID
    status: Status
    order_id: str | None
    service_code: str
    country_code: str
    operator: str | None
    price: Decimal
    charged: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    attempts: int = 0
    last_error: str | None = None
    known: tuple[Sms, ...] = ()
    requests: tuple[Request, ...] = ()
    message_ids: tuple[int, ...] = ()
    late: tuple[Sms, ...] = ()
    hints: tuple[Hint, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def ends_at(self) -> datetime:
        return self.expires_at or self.created_at + LIFETIME

    @property
    def awaits_another(self) -> bool:
        """Whether the provider has been seen to wait for one more SMS, and to show none."""
        looked = self.status == "pending" and self.charged and self.attempts > 0
        return looked and (self.last_error is None or self.last_error.startswith(AWAITS_ANOTHER))

    def asked_for(self, kind: RequestKind) -> bool:
        return any(request.kind == kind for request in self.requests)


@dataclass(frozen=True)
class NumberBought:
    """requested -> pending."""

    order_id: str
    phone: str
    operator: str | None
    cancel_after: datetime
    expires_at: datetime


@dataclass(frozen=True)
class PurchaseFailed:
    """requested -> failed, for a reason that the API knows: no_numbers, price_changed, ..."""

    failure: str


@dataclass(frozen=True)
class SmsArrived:
    """One SMS; by `dedupe_key` the same one is stored once however often it is reported."""

    sms: Sms
    received_at: datetime
    dedupe_key: str
    source: Source = "poller"


@dataclass(frozen=True)
class TextCompleted:
    """The text of a stored SMS of which only the code was known."""

    message_id: int
    text: str

    def __repr__(self) -> str:
        return f"TextCompleted(message_id={self.message_id})"  # a text may be printed by accident


@dataclass(frozen=True)
class Ended:
    """The number is over, on the provider's word."""

    status: Ending
    failure: str | None = None


@dataclass(frozen=True)
class CancelRefused:
    """cancelling -> pending. `cancel_after` None: the provider did not say from when it can be."""

    failure: str
    cancel_after: datetime | None


@dataclass(frozen=True)
class AnotherRefused:
    """pending -> received: the provider does not wait for a further SMS."""

    failure: str


Change: TypeAlias = (
    NumberBought
    | PurchaseFailed
    | SmsArrived
    | TextCompleted
    | Ended
    | CancelRefused
    | AnotherRefused
)
News: TypeAlias = NumberBought | SmsArrived | TextCompleted


@dataclass(frozen=True)
class Outcome:
    """What to write about `row`: the changes in order, then when to look again.

    `look_at` None: the row is over. `error`: why this look led nowhere. `answered`: the requests
    that this settles, and the word for each. `number`: what a recovery heard of the number itself.
    `hints`: what becomes of the row's webhooks.
    """

    row: Row
    changes: tuple[Change, ...] = ()
    look_at: datetime | None = None
    error: str | None = None
    answered: tuple[tuple[int, str], ...] = ()
    number: NumberState | None = None
    hints: tuple[HintClosed | HintLater, ...] = ()

    @property
    def news(self) -> tuple[Change, ...]:
        """The changes that must be written whatever the row has become since it was read."""
        return tuple(c for c in self.changes if isinstance(c, News))
