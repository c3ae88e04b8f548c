"""How fast an account may be asked: a bucket of requests that fills at a steady rate.

Pure: times are the seconds of a monotonic clock, handed in. Turns are given in the order in which
they were asked for. Since few questions of each kind stand in line at once, none starves another.
"""

BURST_S = 1.0  # of requests may be asked for at once after a pause


class Rate:
    """`per_s` requests a second in the long run. One number holds it: when the bucket is full."""

    def __init__(self, per_s: float) -> None:
        self._each_s = 1 / per_s
        self._burst_s = max(BURST_S - self._each_s, 0.0)
        self._full_at_s = float("-inf")

    def turn_s(self, now_s: float) -> float:
        """Take the next turn; seconds until it comes, 0 if now."""
        begins_s = max(self._full_at_s, now_s)
        self._full_at_s = begins_s + self._each_s
        return max(0.0, begins_s - self._burst_s - now_s)
