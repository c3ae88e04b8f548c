"""What the benchmark's processes say to each other: one JSON object a line, and who is who.

Times are CLOCK_MONOTONIC in nanoseconds, which all processes of one machine share. Each change is
named by a number, its mark, which travels in the row's `operator` column as `b<mark>`.
"""

from pathlib import Path
from uuid import UUID

import msgspec

from db.queries import parse

queries = parse((Path(__file__).parent / "bench.sql").read_text("utf-8"))

_FIRST_USER = UUID("be7c0000-0000-4000-8000-000000000000").int
_STRIDE = 7919  # a prime: consecutive marks go to users far apart


class Open(msgspec.Struct, tag=True, frozen=True):
    """To the sockets: connect users `first` to `first + count - 1`, a socket each, and join."""

    first: int
    count: int


class Collect(msgspec.Struct, tag=True, frozen=True):
    """To the sockets: answer once `expected` changes have arrived since the last time."""

    expected: int
    timeout_s: float


class Follow(msgspec.Struct, tag=True, frozen=True):
    """To the followers: users 0 to `count - 1`, each on a socket that comes back and resumes."""

    count: int


class Check(msgspec.Struct, tag=True, frozen=True):
    """To the followers: answer once user n has been told up to `last[n]`, or the time is up."""

    last: list[int]
    timeout_s: float


class Followed(msgspec.Struct, frozen=True):
    """What the followers were told, against what the log has: nothing may be wrong with it.

    `resumed_s`: of each that came back, how long after the begin of the attempt that succeeded it
    had all that it had missed; `back_ns`: when. `heard_ns`: when each change came, of any user.
    """

    lost: int
    doubled: int
    disordered: int
    resyncs: int
    refused: int
    attempts: int
    resumed_s: list[float]
    back_ns: list[int]
    heard_ns: list[int]


class Churn(msgspec.Struct, tag=True, frozen=True):
    """To the churners: for `seconds`, `at_once` clients of `users` users come, act and go."""

    users: int
    at_once: int
    seconds: float


class Churned(msgspec.Struct, frozen=True):
    """How many sockets there were, and how many of them were not served."""

    sockets: int
    failed: int


class Opened(msgspec.Struct, frozen=True):
    """All sockets have joined; how long that took."""

    seconds: float


class Arrivals(msgspec.Struct, frozen=True):
    """Which change arrived when, in order of arrival, and how many sockets have died so far."""

    marks: list[int]
    times_ns: list[int]
    died: int


class Write(msgspec.Struct, tag=True, frozen=True):
    """To a writer: `changes` changes of the named statement, with the marks from `first` on.

    From `start_ns` on, `per_s` changes a second, or as fast as it goes at 0; `batch` of them in
    each transaction; over `users` users from `first_user` on, which no other writer has.
    """

    statement: str
    first: int
    changes: int
    batch: int
    first_user: int
    users: int
    start_ns: int
    per_s: float
    insist: bool = False  # through an outage: each change is tried until it is made


class Committed(msgspec.Struct, frozen=True):
    """When each transaction's COMMIT returned, and when the first began."""

    began_ns: int
    times_ns: list[int]


def user_id(number: int) -> UUID:
    """The id of a user of the benchmark, and of their one activation."""
    return UUID(int=_FIRST_USER + number)


def user_of(mark: int, first_user: int, users: int) -> UUID:
    """Whose activation the change `mark` is made to, among `users` users from `first_user` on."""
    return user_id(first_user + mark * _STRIDE % users)
