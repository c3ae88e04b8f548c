"""The client of the handler_api.php family: one GET a question, in the account's dialect.

Promised to the worker: what Provider promises (base.py), by the means of http.py; a list that comes
in pages is one list.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

import httpx

from poller.providers import handler_api, reading
from poller.providers.answers import (
    AccountRefused,
    ActiveAnswer,
    ActiveList,
    AllAnswer,
    AllSms,
    BalanceAnswer,
    BuyAnswer,
    NoAnswer,
    NoList,
    PricesAnswer,
    SetAnswer,
    Sms,
    StatusAnswer,
)
from poller.providers.base import Order, Turn, at_once
from poller.providers.dialects import Dialect
from poller.providers.handler_api import SetStatus
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

NOT_SERVED = "BAD_ACTION"


class HandlerApiClient:
    """A Provider that speaks `dialect` at `url` with `api_key`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        dialect: Dialect,
        url: str,
        api_key: str,
        observe: Observer,
        ask_timeout_s: float = ASK_TIMEOUT_S,
    ) -> None:
        self._questions = Questions(http, observe, ask_timeout_s=ask_timeout_s)
        self._dialect = dialect
        self._url = url
        self._api_key = api_key

    async def buy(self, order: Order) -> BuyAnswer:
        params = handler_api.buy_params(order, self._dialect)
        return await self._ask("buy", params, handler_api.bought, timeout_s=BUY_TIMEOUT_S)

    async def check_many(self, turn: Turn = at_once) -> ActiveAnswer:
        if not self._dialect.has_list:
            return NoList()
        if self._dialect.page_rows is None:
            return await self._active({})
        pages = Pages(self._dialect.page_rows)
        while pages.may_go_on:
            if pages.count > 0:
                await turn()
            page = await self._active(handler_api.page_params(pages.next_start, pages.size))
            if not isinstance(page, ActiveList):
                # What the pages so far have may be a code that somebody waits for.
                return pages.list() if pages.rows and isinstance(page, NoAnswer) else page
            pages = pages.with_page(page)
        return pages.list()

    async def check(self, order_id: str) -> StatusAnswer:
        params = {"action": "getStatus", "id": order_id}
        return await self._ask("check", params, handler_api.status)

    async def read_all(self, order_id: str, turn: Turn = at_once) -> AllAnswer:
        """The status shows the newest SMS, the list shows all: where it is told, both count."""
        params = {"action": "getStatusV2", "id": order_id}
        status = await self._ask("read_all", params, handler_api.all_sms)
        if isinstance(status, AccountRefused) and status.word == NOT_SERVED:
            status = await self._read_all_in_parts(order_id, turn)
        if not isinstance(status, AllSms):
            return status
        told_all = False
        if self._dialect.has_all_sms:
            await turn()
            more = handler_api.all_sms_params(order_id)
            every = await self._ask("read_all", more, handler_api.all_sms)
            told_all = isinstance(every, AllSms) and bool(every.sms)
            status = every if isinstance(every, AllSms) and told_all else status
        if not self._dialect.has_list:
            return status
        await turn()
        merged = reading.merged(status, await self.check_many(turn), order_id)
        return replace(merged, whole=True) if told_all else merged

    async def _read_all_in_parts(self, order_id: str, turn: Turn) -> AllAnswer:
        """By the older actions: the code, then the text to it."""
        await turn()
        status = reading.from_status(await self.check(order_id))
        if not isinstance(status, AllSms) or not status.sms:
            return status
        await turn()
        params = {"action": "getFullSms", "id": order_id}
        full = await self._ask("read_all", params, handler_api.full_sms)
        if not isinstance(full, Sms):
            return status
        return AllSms((replace(status.sms[-1], text=full.text),))

    async def cancel(self, order_id: str) -> SetAnswer:
        return await self._set("cancel", order_id, SetStatus.CANCEL)

    async def finish(self, order_id: str) -> SetAnswer:
        return await self._set("finish", order_id, SetStatus.FINISH)

    async def another_sms(self, order_id: str) -> SetAnswer:
        return await self._set("another_sms", order_id, SetStatus.RETRY)

    async def balance(self) -> BalanceAnswer:
        return await self._ask("balance", {"action": "getBalance"}, handler_api.balance)

    async def prices(self) -> PricesAnswer:
        params = {"action": "getPrices"}
        return await self._ask("prices", params, handler_api.prices, max_bytes=LIST_BYTES)

    async def _active(self, page: Mapping[str, str]) -> ActiveAnswer:
        params = {"action": "getActiveActivations", **page}
        return await self._ask("check_many", params, self._active_list, max_bytes=LIST_BYTES)

    def _active_list(self, reply: Reply) -> ActiveAnswer:
        return handler_api.active(reply, self._dialect)

    async def _set(self, question: str, order_id: str, status: SetStatus) -> SetAnswer:
        params = {"action": "setStatus", "id": order_id, "status": str(int(status))}
        return await self._ask(
            question, params, lambda reply: handler_api.set_answer(reply, status)
        )

    async def _ask(
        self,
        question: str,
        params: Mapping[str, str],
        parse: Callable[[Reply], A],
        *,
        timeout_s: float | None = None,
        max_bytes: int = WORD_BYTES,
    ) -> A | NoAnswer:
        query = {"api_key": self._api_key, **params}
        return await self._questions.ask(
            question, self._url, query, parse, timeout_s=timeout_s, max_bytes=max_bytes
        )
