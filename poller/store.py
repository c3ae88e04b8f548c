"""What the database has for one account to do: due rows, orders, and when the next is due.

Promised to the worker: rows come with every stored SMS and every open request, and with the
database's own time, so that no decision depends on this machine's clock.
"""

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from psycopg.rows import TupleRow

from poller import schedule
from poller.providers.answers import ActiveRow, Sms
from poller.session import Session
from poller.work import Hint, Request, Row


class DatabaseClock:
    """The database's time, carried on from the last time it was told by this machine's timer."""

    def __init__(self) -> None:
        self._told = datetime.now(UTC)
        self._at = time.monotonic()

    def set(self, now: datetime) -> None:
        self._told, self._at = now.astimezone(UTC), time.monotonic()

    def now(self) -> datetime:
        return self._told + timedelta(seconds=time.monotonic() - self._at)


class Store:
    """Reads for the session's account; sets `clock` whenever the database tells its time."""

    def __init__(self, session: Session, clock: DatabaseClock) -> None:
        self._session = session
        self._clock = clock

    @property
    def is_held(self) -> bool:
        """Whether the account is surely ours."""
        return self._session.is_held

    async def due(self, busy: Collection[UUID], most: int, most_purchases: int = 1000) -> list[Row]:
        """At most `most` rows that are due or have an open request, and are not busy.

        Besides, at most `most_purchases` that wait for their number.
        """
        found = await self._session.rows(
            "work_due",
            account=self._session.account,
            busy=list(busy),
            most=most,
            most_purchases=most_purchases,
        )
        return await self._rows([row[0] for row in found])

    async def of_orders(self, order_ids: Sequence[str], busy: Collection[UUID]) -> list[Row]:
        """The live rows of these orders that are not busy."""
        if not order_ids:
            return []
        found = await self._session.rows(
            "work_of_orders",
            account=self._session.account,
            order_ids=list(order_ids),
            busy=list(busy),
        )
        return await self._rows([row[0] for row in found])

    async def known_orders(self, order_ids: Sequence[str]) -> set[str]:
        """Which of these orders belong to an activation, live or over."""
        found = await self._session.rows(
            "orders_known", account=self._session.account, order_ids=list(order_ids)
        )
        return {row[0] for row in found}

    async def taken_orders(self, order_ids: Sequence[str], before: datetime) -> set[str]:
        """Those of activations, and those that were seen as strangers before that time."""
        found = await self._session.rows(
            "orders_taken",
            account=self._session.account,
            order_ids=list(order_ids),
            before=before,
        )
        return {row[0] for row in found}

    async def purchase_begins(self, id: UUID) -> bool:
        """Write down that the purchase is about to be made; False where it is not wanted."""
        found = await self._session.rows("purchase_begins", id=id)
        return bool(found[0][0])

    async def overdue(self, after: timedelta, busy: Collection[UUID], most: int) -> list[Row]:
        """Purchases that wait for longer than that, and about which there is no doubt."""
        found = await self._session.rows(
            "purchases_overdue",
            account=self._session.account,
            after_s=after.total_seconds(),
            busy=list(busy),
            most=most,
        )
        return await self._rows([row[0] for row in found])

    async def orphans_seen(self, strangers: Sequence[ActiveRow]) -> list[str]:
        """Note numbers in the provider's list that no activation has; which to give back."""
        found = await self._session.rows(
            "orphans_seen",
            account=self._session.account,
            order_ids=[entry.order_id for entry in strangers],
            phones=[entry.phone for entry in strangers],
            service_codes=[entry.service_code for entry in strangers],
            country_codes=[entry.country_code for entry in strangers],
        )
        return [row[0] for row in found]

    async def orphan_released(self, order_id: str, word: str, *, over: bool) -> None:
        """What the provider said when it was given back; `over`: it is no longer ours."""
        await self._session.rows(
            "orphan_released",
            account=self._session.account,
            order_id=order_id,
            outcome=word,
            over=over,
        )

    async def counts(self) -> tuple[int, int]:
        """How many purchases are in doubt, and how many orphans are open."""
        found = await self._session.rows("doubts", account=self._session.account)
        return int(found[0][0]), int(found[0][1])

    async def wake_overslept(self) -> int:
        """Make due what is planned further ahead than anything is; how many rows that was."""
        found = await self._session.rows(
            "wake_overslept",
            account=self._session.account,
            most_s=schedule.OVERSLEPT_S,
            most_after_error_s=schedule.OVERSLEPT_AFTER_ERROR_S,
        )
        return int(found[0][0])

    async def close_unknown_hints(self) -> None:
        """Webhooks for orders that no purchase has brought."""
        await self._session.rows("hints_unknown", account=self._session.account)

    async def next_due_s(self, busy: Collection[UUID], *, purchases: bool = True) -> float | None:
        """Seconds until the next row that is not busy is due; None where there is none."""
        found = await self._session.rows(
            "work_next", account=self._session.account, busy=list(busy), purchases=purchases
        )
        return None if found[0][0] is None else float(found[0][0])

    async def is_paused(self) -> bool:
        """Whether an operator wants nothing to be bought or asked."""
        found = await self._session.rows("account_paused", account=self._session.account)
        return bool(found and found[0][0])

    async def has_offers(self) -> bool:
        """Whether a price list of the account was stored before."""
        found = await self._session.rows("offers_known", account=self._session.account)
        return bool(found[0][0])

    async def _rows(self, ids: list[UUID]) -> list[Row]:
        if not ids:
            return []
        found = await self._session.rows("work_rows", ids=ids)
        if found:
            self._clock.set(found[0][-1])
        return [_row(record) for record in found]


def _row(record: TupleRow) -> Row:
    """In the order of the query work_rows, whose last column is the time."""
    message_ids, codes, texts, late_codes, late_texts = record[-12:-7]
    hints = tuple(map(Hint, *record[-7:-3]))
    request_ids, request_kinds = record[-3:-1]
    asked = zip(request_ids, request_kinds, strict=True)
    requests = tuple(Request(id, kind) for id, kind in asked)
    late = _sms(late_codes, late_texts)
    known = _sms(codes, texts)
    return Row(*(*record[:-12], known, requests, tuple(message_ids), late, hints))


def _sms(codes: Sequence[str | None], texts: Sequence[str | None]) -> tuple[Sms, ...]:
    return tuple(Sms(code, text) for code, text in zip(codes, texts, strict=True))
