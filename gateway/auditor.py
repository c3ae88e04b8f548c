"""The gateway's doubts about itself: is what was delivered what the log holds?

Two looks, between the relay's reads and on its connection. Where a cursor was not served because
changes were not there, the log must say that they were pruned. And of one binding after the other,
chosen at random, what it was sent must be what the log has. Whatever does not agree is a loss:
counted, and logged as an error, for an operator to look into. No client waits for any of it.
"""

import secrets

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from db import feed
from gateway.audit import MOST, Audit
from gateway.hub import Hub
from gateway.metrics import Metrics

log = structlog.get_logger(__name__)

Connection = AsyncConnection[TupleRow]


class Auditor:
    """Looks into `hub`'s gaps, and audits its bindings."""

    def __init__(self, hub: Hub, metrics: Metrics) -> None:
        self._hub = hub
        self._metrics = metrics

    async def look_into_gaps(self, connection: Connection) -> None:
        """What was not there for a cursor was pruned, or it is lost."""
        gaps = dict(self._hub.gaps)
        if not gaps:
            return
        marks = await feed.read_marks(connection, gaps)
        self._hub.gaps.clear()
        for user, seq in gaps.items():
            if marks.get(user, 0) < seq:
                self._lost("changes are missing from a feed, and were not pruned", user)

    async def audit(self, connection: Connection) -> None:
        """Close the audit that is open, and open that of another binding."""
        if self._hub.audit is not None:
            await self._close(connection, self._hub.audit)
        self._hub.begin_audit(secrets.choice)

    async def _close(self, connection: Connection, audit: Audit) -> None:
        user = audit.binding.user
        [page] = await feed.read(connection, {user: audit.after}, MOST)
        if self._hub.audit is not audit or self._hub.catalog is None:
            return  # its client left meanwhile
        if page.served_from > audit.after:
            self._hub.gaps[user] = max(self._hub.gaps.get(user, 0), page.served_from)
            return
        self._metrics.audited.inc(audit.looked_at(page))
        if not audit.agrees(page, self._hub.catalog):
            self._lost("a binding was not sent what its feed has", user)

    def _lost(self, what: str, user: str) -> None:
        self._metrics.losses.inc()
        log.error(what, user_id=user)
