"""A rate with a burst, kept as one number: when its bucket would be full again (GCRA). Pure.

Whoever counts keeps that number for each of those whom they count, beginning with 0.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` in the long run, and up to `burst` at once."""

    per_s: float
    burst: float

    def spent(self, full_at_s: float, now_s: float, amount: float = 1) -> float:
        """When the bucket is full again after `amount` was taken out of it."""
        # No later than from an empty one: the time may be of a clock that was set back.
        empty_s = now_s + self.burst / self.per_s
        return min(max(full_at_s, now_s), empty_s) + amount / self.per_s

    def lacking_s(self, full_at_s: float, now_s: float) -> float:
        """For how many seconds the bucket is overdrawn; 0 where it is not."""
        lacking_s = full_at_s - now_s - self.burst / self.per_s
        return lacking_s if lacking_s > 1e-9 else 0
