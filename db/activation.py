"""The words of an activation's life, as the database has them (db/activations.sql)."""

from typing import Literal

Status = Literal[
    "requested", "pending", "received", "completed", "cancelling", "cancelled", "timeout", "failed"
]
LIVE: tuple[Status, ...] = ("requested", "pending", "received", "cancelling")
OVER: tuple[Status, ...] = ("completed", "cancelled", "timeout", "failed")
