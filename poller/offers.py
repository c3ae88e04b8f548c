"""The price list: fetched at start and every ten minutes, stored as the offers that users see.

Promised to the service: an offer's price is the provider's price x markup, rounded half up; what
the provider no longer lists is out of stock; a list that could not be fetched changes nothing.
"""

from poller.accounts import Account
from poller.breaker import State
from poller.providers.answers import PriceList
from poller.session import Session

REFRESH_S = 600.0


async def seen(session: Session, account: Account, state: State, open_s: float | None) -> None:
    """Store how the account does."""
    await session.rows(
        "account_seen",
        account=account.name,
        dialect=account.dialect,
        markup=account.markup,
        state=state.name,
        reason=state.reason,
        failures=state.failures,
        open_s=open_s,
        webhook_secret_sha256=account.webhook_secret_sha256,
        webhook_addresses=list(account.webhook_addresses) or None,
    )


async def last_seen(session: Session, account: Account) -> tuple[State, float]:
    """How the account did when it was last held by anybody, and the seconds left of its pause."""
    found = await session.rows("account_state", account=account.name)
    if not found:
        return State(), 0.0
    name, reason, failures, left_s = found[0]
    return State(name, reason, failures), left_s


async def store(session: Session, account: Account, found: PriceList) -> None:
    """Store the list of an account that was seen."""
    async with session.transaction() as transaction:
        await transaction.rows(
            "offers_fetched",
            account=account.name,
            markup=account.markup,
            service_codes=[price.service_code for price in found.prices],
            country_codes=[price.country_code for price in found.prices],
            costs=[price.cost for price in found.prices],
            stocks=[price.stock for price in found.prices],
        )
        await transaction.rows("offers_vanished", account=account.name)
