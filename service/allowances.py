"""How many requests a user and an address may make: token buckets, pure, `now` an argument.

Promised: a caller within the rate is never refused; one over it is told in how many seconds the
next request is welcome; and however many users and addresses come, memory stays bounded.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from service.problems import Problem, retry_after

BURST_S = 5  # a bucket holds what its rate gives in that time
MAX_KEYS = 20_000


class Buckets:
    """A bucket of `burst` tokens for each key, refilled with `rate_per_s` tokens each second.

    Kept as the one moment at which each bucket would be full again. Beyond `max_keys` the one that
    asked longest ago is forgotten, which is as if it were full.
    """

    def __init__(self, rate_per_s: float, burst: float, max_keys: int = MAX_KEYS) -> None:
        self._token_s = 1 / rate_per_s
        self._capacity_s = burst / rate_per_s
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, now_s: float) -> float:
        """Take a token: 0. Where there is none: in how many seconds there will be one."""
        full_at = max(self._full_at.get(key, now_s), now_s) + self._token_s
        lacking_s = full_at - now_s - self._capacity_s
        if lacking_s > 1e-9:
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


def neighbourhood(host: str) -> str:
    """What counts as one address: of IPv6 the /64, of which each household has one or more."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address.packed, 64), strict=False))
