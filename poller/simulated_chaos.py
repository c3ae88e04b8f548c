"""What goes wrong at the simulated provider, at seeded random: calls, lists, cancels, its clock.

Pure. Each throw of the dice is made from the seed and from what it is about (the how-many-th call
of which action, which number), so that the same calls fare the same whatever happens in between.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from poller.script import Fault, ScriptError

T = TypeVar("T")
Rate: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
RETRY_AFTER_S = 1


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often each thing goes wrong, 0 (never) to 1 (always).

    Calls: `error` an error word, nothing done; `down` a 503, nothing done; `limit` a 429 with
    Retry-After, nothing done; `html` a page, nothing done; `lost` it takes effect and its answer is
    a page; `truncate` it takes effect and half of its answer comes; `slow` it takes effect and the
    answer comes up to `slow_s` later.
    The list: `forget` leaves a number out, `double` lists one twice, `shuffle` mixes the numbers
    and the SMS of each. Webhooks: `forget`, `double`, and `shuffle` delays one by up to `slow_s`.
    `early_cancel` refuses a cancel as too early. `clock_offset_s` is added to every time told.
    """

    seed: int = 1
    error: Rate = 0.0
    down: Rate = 0.0
    limit: Rate = 0.0
    html: Rate = 0.0
    lost: Rate = 0.0
    truncate: Rate = 0.0
    slow: Rate = 0.0
    slow_s: Annotated[float, msgspec.Meta(ge=0, le=120)] = 1.0
    forget: Rate = 0.0
    double: Rate = 0.0
    shuffle: Rate = 0.0
    early_cancel: Rate = 0.0
    clock_offset_s: Annotated[float, msgspec.Meta(ge=-86_400, le=86_400)] = 0.0


_FAULTS = (
    ("error", Fault(error="ERROR_SQL")),
    ("down", Fault(http_status=503)),
    ("limit", Fault(http_status=429, retry_after_s=RETRY_AFTER_S)),
    ("html", Fault(html=True)),
    ("lost", Fault(html=True, applied=True)),
)


def parse(body: bytes) -> Rates:
    """Rates from their JSON. ScriptError with a sentence."""
    try:
        return msgspec.json.decode(body, type=Rates)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScriptError(f"the chaos is wrong: {error}") from None


class Chaos:
    """Throws the dice by `rates`."""

    def __init__(self, rates: Rates | None = None) -> None:
        self.rates = rates or Rates()
        self._calls: Counter[str] = Counter()

    @property
    def clock_offset(self) -> timedelta:
        return timedelta(seconds=self.rates.clock_offset_s)

    def fault(self, action: str) -> Fault | None:
        """How the next call of `action` is to fail, if it is. Ends what one throw may decide."""
        self._calls[action] += 1
        key = f"{action}:{self._calls[action]}"
        return next((fault for name, fault in _FAULTS if self._happens(name, key)), None)

    def delay_s(self, action: str) -> float:
        """How late the answer to this call of `action` comes."""
        key = f"{action}:{self._calls[action]}"
        return self.rates.slow_s * self._throw("slow_s", key) if self._happens("slow", key) else 0.0

    def spoiled(self, action: str, body: str) -> str:
        """The body as it arrives."""
        cut = self._happens("truncate", f"{action}:{self._calls[action]}")
        return body[: len(body) // 2] if cut else body

    def listed(self, action: str, ids: Sequence[str]) -> list[str]:
        """Which numbers a list has, and in which order."""
        key = f"{action}:{self._calls[action]}"
        kept = [id for id in ids if not self._happens("forget", f"{key}:{id}")]
        kept += [id for id in kept if self._happens("double", f"{key}:{id}")]
        if self._happens("shuffle", key):
            kept.sort(key=lambda id: self._throw("place", f"{key}:{id}"))
        return kept

    def sms_in_order(self, number: str, sms: Sequence[T]) -> list[T]:
        """The SMS of a number as a list shows them: some providers begin with the newest."""
        return list(reversed(sms)) if self._happens("shuffle", f"sms:{number}") else list(sms)

    def refuses_cancel(self, number: str, at: datetime) -> bool:
        return self._happens("early_cancel", f"{number}:{at.isoformat()}")

    def posts(self, number: str, place: int) -> list[float]:
        """After how many seconds each webhook about that SMS goes out: none, one or two."""
        key = f"{number}:{place}"
        if self._happens("forget", key):
            return []
        late = self._happens("shuffle", key)
        first = self.rates.slow_s * self._throw("late", key) if late else 0.0
        return [first, first] if self._happens("double", key) else [first]

    def _happens(self, name: str, key: str) -> bool:
        rate: float = getattr(self.rates, name)
        return rate > 0 and self._throw(name, key) < rate

    def _throw(self, name: str, key: str) -> float:
        said = f"{self.rates.seed}:{name}:{key}".encode()
        return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest()) / 2**64
