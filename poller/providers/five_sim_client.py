"""The client of 5sim: REST paths under the account's url, the key as a Bearer token.

Promised to the worker: what Provider promises (base.py), by the means of http.py. A purchase at an
operator of the buyer's choice is refused here, because 5sim takes a highest price for "any" alone.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx

from poller.providers import five_sim, reading
from poller.providers.answers import (
    ActiveAnswer,
    AllAnswer,
    BalanceAnswer,
    BuyAnswer,
    NoAnswer,
    PricesAnswer,
    Refused,
    SetAnswer,
    StatusAnswer,
)
from poller.providers.base import Order, Turn, at_once
from poller.providers.five_sim_orders import Orders
from poller.providers.http import (
    ASK_TIMEOUT_S,
    BUY_TIMEOUT_S,
    LIST_BYTES,
    WORD_BYTES,
    Observer,
    Questions,
)
from poller.providers.paging import Pages
from poller.providers.wire import Reply

A = TypeVar("A")


class FiveSimClient:
    """A Provider that is 5sim, or speaks like it, at `url`, which ends in /v1."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        url: str,
        api_key: str,
        observe: Observer,
        ask_timeout_s: float = ASK_TIMEOUT_S,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json"}
        self._questions = Questions(http, observe, headers=headers, ask_timeout_s=ask_timeout_s)
        self._url = url.rstrip("/")

    async def buy(self, order: Order) -> BuyAnswer:
        if order.operator is not None:
            return Refused("OPERATOR_WITHOUT_MAX_PRICE")
        path, params = five_sim.buy_path(order), five_sim.buy_params(order)
        return await self._ask("buy", path, five_sim.bought, params, timeout_s=BUY_TIMEOUT_S)

    async def check_many(self, turn: Turn = at_once) -> ActiveAnswer:
        pages, newest = Pages(five_sim.PAGE_ROWS), None
        while pages.may_go_on:
            if pages.count > 0:
                await turn()
            page = await self._orders(pages)
            if not isinstance(page, Orders):
                return pages.list() if pages.rows and isinstance(page, NoAnswer) else page
            newest = newest or page.newest
            pages = pages.with_page(page.list, done=five_sim.reaches_back(newest, page.oldest))
        return pages.list()

    async def check(self, order_id: str) -> StatusAnswer:
        return await self._ask("check", five_sim.order_path("check", order_id), five_sim.status)

    async def read_all(self, order_id: str, turn: Turn = at_once) -> AllAnswer:
        """An order tells all its SMS at once."""
        return reading.from_status(await self.check(order_id))

    async def cancel(self, order_id: str) -> SetAnswer:
        return await self._ask(
            "cancel", five_sim.order_path("cancel", order_id), five_sim.cancelled
        )

    async def finish(self, order_id: str) -> SetAnswer:
        return await self._ask("finish", five_sim.order_path("finish", order_id), five_sim.finished)

    async def another_sms(self, order_id: str) -> SetAnswer:
        return await self._ask(
            "another_sms", five_sim.order_path("check", order_id), five_sim.collecting
        )

    async def balance(self) -> BalanceAnswer:
        return await self._ask("balance", "/user/profile", five_sim.balance)

    async def prices(self) -> PricesAnswer:
        return await self._ask("prices", "/guest/prices", five_sim.prices, max_bytes=LIST_BYTES)

    async def _orders(self, pages: Pages) -> Orders | ActiveAnswer:
        params = five_sim.page_params(pages.next_start, pages.size)
        return await self._ask(
            "check_many", "/user/orders", five_sim.orders, params, max_bytes=LIST_BYTES
        )

    async def _ask(
        self,
        question: str,
        path: str,
        parse: Callable[[Reply], A],
        params: Mapping[str, str] | None = None,
        *,
        timeout_s: float | None = None,
        max_bytes: int = WORD_BYTES,
    ) -> A | NoAnswer:
        return await self._questions.ask(
            question,
            self._url + path,
            params or {},
            parse,
            timeout_s=timeout_s,
            max_bytes=max_bytes,
        )
