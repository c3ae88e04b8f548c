"""What the database has for one account to do: due rows, orders, and when the next is due.

Promised to the worker: rows come with every stored SMS and every open request, and with the
database's own time, so that no decision depends on this machine's clock.
"""

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from psycopg.rows import TupleRow

from poller.providers.answers import Sms
from poller.session import Session
from poller.work import Request, Row


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

    async def due(self, busy: Collection[UUID], most: int) -> list[Row]:
        """At most `most` rows that are due or have an open request, and are not busy."""
        found = await self._session.rows(
            "work_due", account=self._session.account, busy=list(busy), most=most
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

    async def next_due_s(self, busy: Collection[UUID]) -> float | None:
        """Seconds until the next row that is not busy is due; None where there is none."""
        found = await self._session.rows(
            "work_next", account=self._session.account, busy=list(busy)
        )
        return None if found[0][0] is None else float(found[0][0])

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
    message_ids, codes, texts, late_codes, late_texts, request_ids, request_kinds = record[-8:-1]
    asked = zip(request_ids, request_kinds, strict=True)
    requests = tuple(Request(id, kind) for id, kind in asked)
    late = _sms(late_codes, late_texts)
    return Row(*(*record[:-8], _sms(codes, texts), requests, tuple(message_ids), late))


def _sms(codes: Sequence[str | None], texts: Sequence[str | None]) -> tuple[Sms, ...]:
    return tuple(Sms(code, text) for code, text in zip(codes, texts, strict=True))
