"""What questions under way may ask of the database, whichever connection holds the account now.

Promised to the asker and to the jobs: they outlive that connection; while there is none, every
question here is DatabaseUnavailable, and the account counts as not held.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from db.errors import DatabaseUnavailable
from poller.providers.answers import ActiveRow
from poller.store import Store
from poller.work import Row


class Books:
    """`store` is None while the account is not held."""

    def __init__(self) -> None:
        self.store: Store | None = None

    @property
    def is_held(self) -> bool:
        """Whether the account is surely ours."""
        return self.store is not None and self.store.is_held

    async def known_orders(self, order_ids: Sequence[str]) -> set[str]:
        """Which of these orders belong to an activation, live or over."""
        return await self._held.known_orders(order_ids) if order_ids else set()

    async def taken_orders(self, order_ids: Sequence[str], before: datetime) -> set[str]:
        """Those of activations, and those that were strangers before that time already."""
        return await self._held.taken_orders(order_ids, before) if order_ids else set()

    async def purchase_begins(self, id: UUID) -> bool:
        """Write the intent down; False where nobody wants the number, or the row is locked."""
        return await self._held.purchase_begins(id)

    async def live_rows(self, order_ids: Sequence[str], busy: Collection[UUID]) -> list[Row]:
        """The live rows of these orders that are not busy."""
        return await self._held.of_orders(order_ids, busy)

    async def orphans_seen(self, strangers: Sequence[ActiveRow]) -> list[str]:
        """Note numbers that nobody here bought; those that are to be given back."""
        return await self._held.orphans_seen(strangers)

    async def orphan_released(self, order_id: str, word: str, *, over: bool) -> None:
        """What the provider answered to giving it back."""
        await self._held.orphan_released(order_id, word, over=over)

    @property
    def _held(self) -> Store:
        if self.store is None:
            raise DatabaseUnavailable("the account is not held now")
        return self.store
