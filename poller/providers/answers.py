"""What a provider can say, as tagged frozen values that the rest of the poller decides on.

Every dialect parses into these once, at the edge. Nobody ever sees a body: what is not understood
becomes Unexpected with a short word fit for a log and a metric, never with what was sent.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True)
class Sms:
    """One SMS as far as the provider told it: the code, the text, or both. Never neither."""

    code: str | None
    text: str | None = None

    def __repr__(self) -> str:
        return "Sms(...)"  # what is printed by accident must not hold a code


@dataclass(frozen=True)
class Bought:
    """A number is ours. `phone` is digits; `cost` is in the provider's currency.

    `lifetime_s` is how long it lives from now where the provider says so, else None.
    """

    order_id: str
    phone: str
    operator: str | None = None
    cost: Decimal | None = None
    lifetime_s: int | None = None


@dataclass(frozen=True)
class NoNumbers:
    """Nothing in stock for that service, country, operator and price."""


@dataclass(frozen=True)
class NoMoney:
    """Our own balance at the provider is too low."""


@dataclass(frozen=True)
class PriceChanged:
    """The provider wants more than the highest price that was offered to it."""


@dataclass(frozen=True)
class NotNow:
    """Nothing was sold, and only for now: the account has as many numbers as it may have at once.

    It is no trouble of the account's: its numbers are looked after as ever.
    """

    word: str


@dataclass(frozen=True)
class AlreadyOrdered:
    """This order was placed before, so the number was bought and its answer was lost."""


@dataclass(frozen=True)
class Refused:
    """A plain no: nothing was done. `word` is the provider's error word.

    `cancel_after_s`: how old a number must be to be cancelled, where that is why and it was said.
    """

    word: str
    cancel_after_s: int | None = None


@dataclass(frozen=True)
class AccountRefused:
    """The provider will not serve this account: wrong key, ban, limit. Nothing was done.

    `retry_after_s`: how long it wants to be left alone, where it says so.
    """

    word: str
    retry_after_s: int | None = None


@dataclass(frozen=True)
class Unexpected:
    """Something that no documentation has. What it did is not known.

    `word`: the error word if it looks like one, else the kind of body: html, json, empty, text, or
    http_<status>. At most 40 characters, none of them from an SMS. `retry_after_s`: how long a
    server that fails wants to be left alone, where it says so.
    """

    word: str
    retry_after_s: int | None = None


@dataclass(frozen=True)
class NoAnswer:
    """No answer came. `sent` is False only where the request surely never left this machine."""

    word: str
    sent: bool = True


@dataclass(frozen=True)
class Waiting:
    """The number is alive and no SMS has come that was not there before."""

    again: bool = False  # a further SMS was asked for


@dataclass(frozen=True)
class Arrived:
    """The newest SMS on the number, and those before it as far as the provider told them.

    `whole`: the provider always tells all of them, so one that is not there has not come.
    """

    sms: Sms
    earlier: tuple[Sms, ...] = ()
    whole: bool = False

    @property
    def every(self) -> tuple[Sms, ...]:
        """All of them, oldest first."""
        return (*self.earlier, self.sms)


@dataclass(frozen=True)
class AllSms:
    """Every SMS that the provider still has of a number, oldest first.

    `alive` is False where the provider itself says that the number is over. `whole` is False where
    only its newest was told, because the list, which has every one, did not have the number.
    """

    sms: tuple[Sms, ...] = ()
    alive: bool = True
    whole: bool = True


@dataclass(frozen=True)
class Cancelled:
    """The provider has taken the number back and keeps no money for it."""


@dataclass(frozen=True)
class Finished:
    """The provider has closed a number that had received its SMS."""


@dataclass(frozen=True)
class AskedAgain:
    """The provider now waits for one more SMS on the number."""


@dataclass(frozen=True)
class NotKnown:
    """The provider knows no such activation."""


@dataclass(frozen=True)
class ActiveRow:
    """A number in the list of all that are active, with every SMS that the list shows for it.

    `alive` is False where the list itself says that the number is over.
    """

    order_id: str
    phone: str | None
    service_code: str | None
    country_code: str | None
    sms: tuple[Sms, ...] = ()
    alive: bool = True


@dataclass(frozen=True)
class ActiveList:
    """All active numbers that the provider chose to list: absence from it proves nothing.

    `skipped` rows could not be read. `whole` is False where rows are known to be missing or may be:
    then not even a purchase of ours that is not listed can be taken for one that was not made.
    """

    rows: tuple[ActiveRow, ...]
    skipped: int = 0
    whole: bool = True


@dataclass(frozen=True)
class NoList:
    """The provider has no list of active numbers: each is asked for by itself."""


@dataclass(frozen=True)
class Balance:
    """Our balance at the provider, in its currency."""

    amount: Decimal


@dataclass(frozen=True)
class Price:
    """What one number costs us, and how many there are."""

    service_code: str
    country_code: str
    cost: Decimal
    stock: int


@dataclass(frozen=True)
class PriceList:
    """Every price that the provider lists; `skipped` entries could not be read."""

    prices: tuple[Price, ...]
    skipped: int = 0


# What any question can be answered with instead of what was asked for.
Trouble: TypeAlias = AccountRefused | Unexpected | NoAnswer

BuyAnswer: TypeAlias = (
    Bought | NoNumbers | NoMoney | PriceChanged | NotNow | AlreadyOrdered | Refused | Trouble
)
StatusAnswer: TypeAlias = Waiting | Arrived | Cancelled | NotKnown | Trouble
AllAnswer: TypeAlias = AllSms | Cancelled | NotKnown | Trouble
SetAnswer: TypeAlias = Cancelled | Finished | AskedAgain | Refused | NotKnown | Trouble
ActiveAnswer: TypeAlias = ActiveList | NoList | Trouble
BalanceAnswer: TypeAlias = Balance | Trouble
PricesAnswer: TypeAlias = PriceList | Trouble
