"""Who may have a place: sockets by user, by address, and in all. Pure.

A socket takes its place with its first join, and there it is refused: some clients never come back
from a refused handshake, others give up after a few. Twice as many as have places may therefore be
open, and wait for one; only beyond that the handshake itself is refused.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from gateway.joins import JoinRefused

Limit = Literal["user sockets", "address sockets", "sockets"]
WAITING = 2  # open sockets for each place


@dataclass(frozen=True, slots=True)
class Most:
    """How many places there are: for a user, for an address, in all; `most_open` can be open."""

    per_user: int
    per_address: int
    total: int
    most_open: int


class Places:
    """All sockets of a gateway."""

    def __init__(self, most: Most) -> None:
        self.most = most
        self._open: Counter[str] = Counter()
        self._users: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._taken = 0
        self.open = 0

    def full_for(self, address: str | None) -> Limit | None:
        """Which limit keeps a socket from there from being opened at all; None: none does."""
        if self.open >= min(self.most.total * WAITING, self.most.most_open):
            return "sockets"
        if address is not None and self._open[address] >= self.most.per_address * WAITING:
            return "address sockets"
        return None

    def enter(self, address: str | None) -> "Place":
        """A socket is open. None: nobody knows from where, so no limit of an address counts."""
        self._move(self._open, address, 1)
        self.open += 1
        return Place(self, address)

    def check_room(self, address: str | None) -> None:
        """JoinRefused where neither a place in all nor one of the address is free."""
        if self._taken >= self.most.total:
            raise _refusal("sockets", "Too many connected users")
        most = self.most.per_address
        if address is not None and self._addresses[address] >= most:
            raise _refusal("address sockets", f"Too many sockets from this address; at most {most}")

    def check_user(self, user: str) -> None:
        """JoinRefused where the user has no place left."""
        most = self.most.per_user
        if self._users[user] >= most:
            raise _refusal("user sockets", f"Too many sockets of this user; at most {most}")

    def seat(self, address: str | None, by: int) -> None:
        """A socket from there has taken a place, or given it back."""
        self._taken += by
        self._move(self._addresses, address, by)

    def count(self, user: str, by: int) -> None:
        """A socket has begun or ended to be one of the user's."""
        self._move(self._users, user, by)

    def left(self, address: str | None) -> None:
        """A socket is gone."""
        self._move(self._open, address, -1)
        self.open -= 1

    @staticmethod
    def _move(counter: Counter[str], key: str | None, by: int) -> None:
        if key is None:
            return
        counter[key] += by
        if not counter[key]:
            del counter[key]


class Place:
    """One socket's: none at first, then one for as long as the socket is open."""

    __slots__ = ("_address", "_places", "_seated", "_users")

    def __init__(self, places: Places, address: str | None) -> None:
        self._places = places
        self._address = address
        self._seated = False
        self._users: tuple[str, ...] = ()

    def take(self, user: str | None) -> None:
        """Have a place, as one of the user's sockets; JoinRefused. None: service_role's."""
        if not self._seated:
            self._places.check_room(self._address)
        if user is not None and user not in self._users:
            self._places.check_user(user)
            self._places.count(user, 1)
            self._users = (*self._users, user)
        if not self._seated:
            self._seated = True
            self._places.seat(self._address, 1)

    def leave(self) -> None:
        """The socket is gone."""
        for user in self._users:
            self._places.count(user, -1)
        if self._seated:
            self._places.seat(self._address, -1)
        self._places.left(self._address)


def _refusal(limit: Limit, sentence: str) -> JoinRefused:
    # PyPI realtime knows this code, and waits 30 s before it tries again.
    return JoinRefused("ConnectionRateLimitReached", sentence, limit)
