"""/v1/me and /v1/offers: what a user has, and what it buys.

Prices are those that will be charged; balance, frozen and feed_seq are of one snapshot.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service import operations, rows
from service.answers import answer
from service.database import Connection
from service.parameters import (
    MAX_LIMIT,
    OfferPosition,
    OffersQuery,
    bounded,
    offer_cursor,
    offer_position,
    query,
)
from service.parts import Parts
from service.payloads import Account, Offer, Offers, check_word


class Accounts:
    """The wallet and the price list."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._currency = parts.settings.currency

    def routes(self) -> list[Route]:
        """The routes of this noun."""
        route = self._parts.resources.route
        return [route({operations.ACCOUNT: self._me}), route({operations.OFFERS: self._offers})]

    async def _me(self, request: Request) -> Response:
        user_id = await self._parts.callers.user_of(request)

        async def look(connection: Connection) -> Account:
            balance, frozen, available = await rows.wallet(connection, user_id)
            position = await rows.position(connection, user_id)
            return Account(
                user_id=user_id,
                balance=balance,
                frozen=frozen,
                available=available,
                currency=self._currency,
                feed_seq=position.feed_seq,
                epoch=position.epoch,
            )

        return answer(await self._parts.database.read(look))

    async def _offers(self, request: Request) -> Response:
        await self._parts.callers.user_of(request)
        asked = query(request.query_params.multi_items(), OffersQuery)
        limit = bounded("limit", asked.limit, 1, MAX_LIMIT)
        after = offer_position(asked.after)
        for field in ("service_code", "country_code"):
            if (word := getattr(asked, field)) is not None:
                check_word(field, word)

        async def page(connection: Connection) -> Offers:
            found = await rows.offers(
                connection, asked.service_code, asked.country_code, after, limit + 1
            )
            return self._page(found, limit)

        return answer(await self._parts.database.read(page))

    def _page(self, found: list[rows.OfferRow], limit: int) -> Offers:
        items = [
            Offer(
                provider=row.provider,
                service_code=row.service_code,
                country_code=row.country_code,
                operator=row.operator,
                price=row.price,
                currency=self._currency,
                stock=row.stock,
            )
            for row in found[:limit]
        ]
        return Offers(items=items, next=_cursor(items[-1]) if len(found) > limit else None)


def _cursor(last: Offer) -> str:
    return offer_cursor(
        OfferPosition(
            last.service_code, last.country_code, last.price, last.provider, last.operator
        )
    )
