"""The one protocol by which the poller talks to any provider, whatever its dialect.

Promised to the worker: no method raises for anything the world does. Each returns one of the
answers of answers.py within its time limit, and none repeats a request by itself.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

from poller.providers.answers import (
    ActiveAnswer,
    AllAnswer,
    BalanceAnswer,
    BuyAnswer,
    PricesAnswer,
    SetAnswer,
    StatusAnswer,
)


@dataclass(frozen=True)
class Order:
    """A purchase. `reference` is our own id for it, by which a repeat is recognised.

    `max_cost` is in the provider's currency; `operator` None leaves the choice to the provider.
    """

    reference: str
    service_code: str
    country_code: str
    operator: str | None
    max_cost: Decimal | None


# Awaited before a request beyond the first of a question, so that an account's rate counts it too.
Turn: TypeAlias = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """A turn that comes at once."""


class Provider(Protocol):
    """A provider account. `order_id` is always the provider's own id of an activation."""

    async def buy(self, order: Order) -> BuyAnswer:
        """Buy one number."""

    async def check_many(self, turn: Turn = at_once) -> ActiveAnswer:
        """Ask for all active numbers of the account at once, `turn` before each further page."""

    async def check(self, order_id: str) -> StatusAnswer:
        """Ask for one number."""

    async def read_all(self, order_id: str, turn: Turn = at_once) -> AllAnswer:
        """Ask for all that is still known of one number, `turn` before each further request."""

    async def cancel(self, order_id: str) -> SetAnswer:
        """Give a number back unused; Cancelled where the provider agreed."""

    async def finish(self, order_id: str) -> SetAnswer:
        """Close a number whose SMS has come; Finished where the provider agreed."""

    async def another_sms(self, order_id: str) -> SetAnswer:
        """Ask for a further SMS on a number that has had one; AskedAgain where it agreed."""

    async def balance(self) -> BalanceAnswer:
        """Ask for our own balance."""

    async def prices(self) -> PricesAnswer:
        """Ask for the whole price list."""
