"""Whom a command means by a name: the demo users, a uuid, or `users.name`.

Pure; the database is asked by the caller, and only for names that are neither.
"""

import re
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

DEMO_USERS = MappingProxyType(
    {
        "alice": UUID("a11ce000-0000-4000-8000-000000000001"),
        "bob": UUID("b0b00000-0000-4000-8000-000000000002"),
    }
)
DEMO_CREDIT = Decimal("10.00")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_TTL_S = 366 * 86_400


def known_user(who: str) -> UUID | None:
    """The user that `who` names without a look into the database."""
    if who in DEMO_USERS:
        return DEMO_USERS[who]
    try:
        return UUID(who)
    except ValueError:
        return None


def ttl(text: str) -> timedelta:
    """`90s`, `15m`, `1h` or `7d`; ValueError with a sentence."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 1 <= seconds <= _LONGEST_TTL_S:
        raise ValueError(f"a lifetime is written 90s, 15m, 1h or 7d (a year at most), not {text!r}")
    return timedelta(seconds=seconds)


def amount(text: str) -> Decimal:
    """Money over zero with at most two decimals; ValueError with a sentence."""
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", text) or Decimal(text) == 0:
        raise ValueError(f"an amount is over zero and written 5 or 5.00, not {text!r}")
    return Decimal(text)
