"""When a number is looked at next, and how long a provider in trouble is left alone.

Pure: `now` is an argument, and the spread comes from a seed, so that the same question has the same
answer. A number that is seconds old is looked at more often than an old one, and none is left
alone for more than 30 s.
"""

import random
from datetime import datetime, timedelta

# (up to this age in s, look every so many s). One batch call covers an account, so many young
# numbers cost no more calls than one.
STEPS = ((60.0, 1.0), (180.0, 2.0), (300.0, 5.0), (600.0, 10.0))
OLD_INTERVAL_S = 20.0
MANY_INTERVAL_S = 2.0
ONE_IN_S = 40.0  # one call for each number in that time, against one in 3 s each by itself
LISTED_S = 25.0  # for a number that lists look after: with the spread it is under 30 s
MAX_INTERVAL_S = 30.0
MAX_SAID_S = 600
# No look is planned further ahead, so one that is lies behind a clock that was set back.
OVERSLEPT_S = MAX_INTERVAL_S + 5
OVERSLEPT_AFTER_ERROR_S = MAX_SAID_S + 60.0
SPREAD = 0.1  # of the interval, either way


def interval_s(age_s: float) -> float:
    """How long a number of that age is left alone, before spread."""
    return next((step for limit, step in STEPS if age_s < limit), OLD_INTERVAL_S)


def list_interval_s(youngest_age_s: float, count: int) -> float:
    """How long the list of an account is left alone, which looks after so many numbers at once.

    With many numbers a list every two seconds is still far less than asking for each.
    """
    return min(interval_s(max(0.0, youngest_age_s)), max(MANY_INTERVAL_S, ONE_IN_S / count))


def next_check_at(
    now: datetime, *, waiting_since: datetime, expires_at: datetime | None, seed: int
) -> datetime:
    """When to look again at a number that has waited since then; its expiry is never slept over."""
    age_s = max(0.0, (now - waiting_since).total_seconds())
    at = now + timedelta(seconds=spread(interval_s(age_s), seed))
    # At or after its expiry a number is being closed, and tried again like any other old one.
    return min(at, expires_at) if expires_at is not None and expires_at > now else at


def next_read_at(now: datetime, *, expires_at: datetime, seed: int) -> datetime:
    """When to read a row again that every list looks after; its expiry is never slept over."""
    at = now + timedelta(seconds=spread(LISTED_S, seed))
    return min(at, expires_at) if expires_at > now else at


def spread(interval: float, seed: int) -> float:
    """The interval, up to a tenth shorter or longer, so that rows bought together drift apart."""
    return min(MAX_INTERVAL_S, interval * (1 + SPREAD * (2 * _unit(seed) - 1)))


def _unit(seed: int) -> float:
    return random.Random(seed).random()  # noqa: S311


def retry_s(attempts: int, seed: int, *, said_s: int | None = None) -> float:
    """How long to leave a row alone after that many attempts that led nowhere.

    1 s doubled each time, never over 30 s; up to 10 min only where the provider said so itself.
    """
    doubled = min(MAX_INTERVAL_S, 2.0 ** min(attempts, 5))
    return max(spread(doubled, seed), float(min(said_s or 0, MAX_SAID_S)))
