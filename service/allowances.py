"""How many requests a user and an address may make: token buckets, pure, `now` an argument.

Promised: a caller within the rate is never refused; one over it is told in how many seconds the
next request is welcome; and however many users and addresses come, memory stays bounded.
"""

from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from process.addresses import neighbourhood
from process.rates import Rate
from service.problems import Problem, retry_after

BURST_S = 5  # a bucket holds what its rate gives in that time
MAX_KEYS = 20_000


class Buckets:
    """A bucket of `burst` tokens for each key, refilled with `rate_per_s` tokens each second.

    Beyond `max_keys` the one that asked longest ago is forgotten, which is as if it were full.
    """

    def __init__(self, rate_per_s: float, burst: float, max_keys: int = MAX_KEYS) -> None:
        self._rate = Rate(rate_per_s, burst)
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, now_s: float) -> float:
        """Take a token: 0. Where there is none: in how many seconds there will be one."""
        full_at = self._rate.spent(self._full_at.get(key, 0), now_s)
        lacking_s = self._rate.lacking_s(full_at, now_s)
        if lacking_s:
            return lacking_s
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return 0


class Allowances:
    """The service's two limits. `refused` is told which one (`user`, `address`) refused."""

    def __init__(self, user_per_s: int, address_per_s: int, refused: Callable[[str], None]) -> None:
        self._users = Buckets(user_per_s, user_per_s * BURST_S)
        self._addresses = Buckets(address_per_s, address_per_s * BURST_S)
        self._refused = refused

    def spend_user(self, user_id: UUID, now_s: float) -> None:
        """One request of this user's; Problem `too_many_requests`."""
        self._spend("user", self._users, str(user_id), now_s)

    def spend_address(self, host: str, now_s: float) -> None:
        """One request from there; Problem `too_many_requests`."""
        self._spend("address", self._addresses, neighbourhood(host), now_s)

    def _spend(self, kind: str, buckets: Buckets, key: str, now_s: float) -> None:
        wait_s = buckets.take(key, now_s)
        if wait_s > 0:
            self._refused(kind)
            whose = "you" if kind == "user" else "your address"
            raise Problem(
                "too_many_requests",
                f"too many requests from {whose}; slow down",
                headers=retry_after(wait_s),
            )
