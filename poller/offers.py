"""The price list: fetched at start and every ten minutes, stored as the offers that users see.

Promised to the service: an offer's price is the provider's price x markup, rounded half up; what
the provider no longer lists is out of stock; a list that could not be fetched changes nothing.
"""

from poller.accounts import Account
from poller.providers.answers import PriceList, PricesAnswer
from poller.session import Session

REFRESH_S = 600.0


async def store(session: Session, account: Account, answer: PricesAnswer) -> None:
    """Store the list, and how the account does."""
    async with session.transaction() as transaction:
        reason = None if isinstance(answer, PriceList) else answer.word
        await transaction.rows(
            "account_seen",
            account=account.name,
            dialect=account.dialect,
            markup=account.markup,
            state="up" if reason is None else "down",
            reason=reason,
        )
        if isinstance(answer, PriceList):
            await transaction.rows(
                "offers_fetched",
                account=account.name,
                markup=account.markup,
                service_codes=[price.service_code for price in answer.prices],
                country_codes=[price.country_code for price in answer.prices],
                costs=[price.cost for price in answer.prices],
                stocks=[price.stock for price in answer.prices],
            )
            await transaction.rows("offers_vanished", account=account.name)
