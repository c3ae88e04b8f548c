"""What a trial purchase shows of itself, and what it does next: decisions and lines, without I/O.

Pure. The number of the trial is only given back while nothing has come: then nobody pays for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from db.activation import OVER

USER = UUID("0be7a704-0000-4000-8000-000000000003")
USER_NAME = "try-purchase"
REASON = "try-purchase"
CLOSES_WITHIN = timedelta(seconds=20)  # then the poller does it at the number's end
SLOW_AFTER = timedelta(seconds=10)

Step: TypeAlias = Literal["watch", "finish", "cancel", "leave"]


@dataclass(frozen=True)
class Seen:
    """The activation as its feed last told it."""

    status: str
    charged: bool
    cancel_after: datetime | None

    @property
    def is_over(self) -> bool:
        return self.status in OVER


def seen(record: Mapping[str, object]) -> Seen:
    """From a record of public.activations."""
    after = record.get("cancel_after")
    return Seen(
        status=str(record["status"]),
        charged=record.get("charged") is True,
        cancel_after=datetime.fromisoformat(after) if isinstance(after, str) else None,
    )


def step(found: Seen, now: datetime, *, stopping: bool, received_at: datetime | None) -> Step:
    """What to do now. `stopping`: it has been waited for long enough, or somebody wants to go."""
    if found.is_over:
        return "leave"
    if found.charged:
        late = received_at is not None and now >= received_at + CLOSES_WITHIN
        return "leave" if late else "finish"
    if stopping and found.status == "pending" and wait_s(found, now) == 0:
        return "cancel"
    return "watch"


def wait_s(found: Seen, now: datetime) -> float:
    """Seconds until the provider takes the number back; 0 if now."""
    if found.cancel_after is None:
        return 0.0
    return max(0.0, (found.cancel_after - now).total_seconds())


def line(table: str, record: Mapping[str, object], seq: int, at: str) -> str:
    """One change of the feed: its number, its time, what happened."""
    what = _message(record) if table == "messages" else _activation(record)
    return f"{seq:>4} {at[11:19]} {what}"


def _activation(record: Mapping[str, object]) -> str:
    status = str(record["status"])
    if record.get("failure"):
        return f"{status}: {record['failure']}"
    match status:
        case "requested":
            where = f"{record['service_code']} in {record['country_code']}"
            return f"requested: {where} at {record['provider']}, {money(record['price'])} frozen"
        case "pending" if record.get("sms_count") == 0:
            ends, after = _time(record.get("expires_at")), _time(record.get("cancel_after"))
            return f"pending: {record['phone']}, can be cancelled from {after} on, ends at {ends}"
        case "received":
            return f"received: {money(record['price'])} paid"
        case "cancelled" | "timeout":
            return f"{status}: {money(record['price'])} given back"
        case _:
            return status


def _message(record: Mapping[str, object]) -> str:
    return f"SMS: code {record.get('code') or 'none'}, text {record.get('text') or 'none'}"


def money(amount: object) -> str:
    """Two decimals."""
    return f"{float(str(amount)):.2f}"


def _time(value: object) -> str:
    return str(value)[11:19] if value else "now"


def ending(found: Seen) -> str:
    """The last line."""
    if found.charged and found.is_over:
        return "the account sold a number, brought its SMS and closed it"
    if found.charged:
        return "the account sold a number and brought its SMS; the poller closes it at its end"
    if found.status == "failed":
        return "the account sold no number, and nothing was paid"
    return "the account sold a number, and it was given back without an SMS"
