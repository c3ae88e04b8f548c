"""The simulated provider itself: numbers, the SMS they get, and what may be done with them.

Pure: `now` is an argument everywhere and chance comes from a seeded random. A number's planned SMS
and its expiry take effect when the number is next looked at, so that no clock has to run. How all
this is said is the dialects' (simulated_api.py, simulated_five_sim.py).
"""

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from poller.script import Behaviour, Fault, Script
from poller.simulated_chaos import Chaos

SERVICES = ("wa", "tg", "go")
PREFIXES = {"6": "628", "0": "79"}  # Indonesia and Russia
PRICE = Decimal("0.50")
STOCK = 1000
FIRST_BALANCE = Decimal("1000000.00")
MAX_NUMBERS = 50_000  # the oldest that are over are forgotten first


class Denied(Exception):
    """The provider says no; `word` is SMS-Activate's word for it.

    `why`, where the word alone does not tell: has_sms, no_sms, over or timeout. `figure`: the least
    price, or the seconds that a number must be old.
    """

    def __init__(self, word: str, why: str = "", figure: Decimal | float | None = None) -> None:
        super().__init__(word)
        self.word = word
        self.why = why
        self.figure = figure


class NumberIsOver(Exception):
    """No SMS can reach it any more."""


@dataclass(frozen=True)
class Delivery:
    """An SMS and when it arrives. `code` None: the text holds no code."""

    at: datetime
    code: str | None
    text: str


@dataclass
class Number:
    """A number that was sold. `asked_at_count` is how many SMS it had when one more was asked."""

    id: str
    phone: str
    service: str
    country: str
    reference: str | None
    behaviour: Behaviour
    bought_at: datetime
    planned: list[Delivery] = field(default_factory=list)
    sms: list[Delivery] = field(default_factory=list)
    asked_at_count: int = 0
    state: str = "active"  # then cancelled or finished
    ended_by: str = ""  # time, where its time ran out; ban, where it was banned

    @property
    def expires_at(self) -> datetime:
        return self.bought_at + timedelta(seconds=self.behaviour.lifetime_s)

    @property
    def waits_again(self) -> bool:
        return self.asked_at_count > 0 and self.asked_at_count == len(self.sms)


class SimulatedProvider:
    """All numbers of the one account, the scripts, and a count of every call."""

    def __init__(
        self,
        chance: random.Random,
        first_id: int,
        max_numbers: int = MAX_NUMBERS,
        usual: Behaviour | None = None,
    ) -> None:
        self._chance = chance
        self._max_numbers = max_numbers
        self._ids = itertools.count(first_id)
        self._usual = usual or Behaviour()
        self._numbers: dict[str, Number] = {}
        self._references: dict[str, str] = {}
        self._scripts: list[tuple[Script, int | None]] = []
        self.balance = FIRST_BALANCE
        self.calls: Counter[str] = Counter()
        self.chaos = Chaos()
        self.on_planned: Callable[[Number, Delivery], None] = lambda _number, _sms: None

    def sibling(self, usual: Behaviour) -> "SimulatedProvider":
        """Another account, whose numbers never have an id or a code of this one's."""
        other = SimulatedProvider(self._chance, 0, self._max_numbers, usual)
        other._ids = self._ids
        return other

    def buy(
        self, service: str, country: str, reference: str | None, max_price: Decimal, now: datetime
    ) -> Number:
        """Sell a number; Denied with the provider's word otherwise."""
        if service not in SERVICES:
            raise Denied("BAD_SERVICE")
        if reference in self._references:
            raise Denied("ORDER_ALREADY_EXISTS")
        if max_price < PRICE:
            raise Denied("WRONG_MAX_PRICE", figure=PRICE)
        if self.balance < PRICE:
            raise Denied("NO_BALANCE")
        if country not in PREFIXES or not self._has_room(now):
            raise Denied("NO_NUMBERS")
        number = self._number(service, country, reference, now)
        self.balance -= PRICE
        return number

    def find(self, id: str, now: datetime) -> Number:
        """The number of that id; Denied NO_ACTIVATION where there is none."""
        if id not in self._numbers:
            raise Denied("NO_ACTIVATION")
        return self._advanced(self._numbers[id], now)

    def find_by_phone(self, phone: str, now: datetime) -> Number:
        """The newest number with that phone; Denied NO_ACTIVATION where there is none."""
        matches = [number for number in self._numbers.values() if number.phone == phone]
        return self.find(matches[-1].id if matches else "", now)

    def numbers(self, now: datetime) -> list[Number]:
        """Every number that is remembered, oldest first."""
        return [self._advanced(number, now) for number in list(self._numbers.values())]

    def active(self, now: datetime) -> list[Number]:
        return [number for number in self.numbers(now) if number.state == "active"]

    def ready(self, number: Number) -> None:
        self._must_be_active(number)
        if number.sms:
            raise Denied("BAD_STATUS", "has_sms")

    def ask_again(self, number: Number, now: datetime) -> None:
        """Wait for one more SMS; it comes after the same delay as the first."""
        self._must_have_sms(number)
        number.asked_at_count = len(number.sms)
        if not number.planned and not number.behaviour.never:
            self._will_get(number, self._delivery(now, number.behaviour.delay_s))

    def finish(self, number: Number) -> None:
        self._must_have_sms(number)
        number.state = "finished"

    def cancel(self, number: Number, now: datetime, *, by: str = "") -> None:
        """Take a number back and give the money back, unless an SMS came or it is too early."""
        self._must_be_active(number)
        if number.sms:
            raise Denied("BAD_STATUS", "has_sms")
        min_age_s = number.behaviour.cancel_after_s
        too_early = now < number.bought_at + timedelta(seconds=min_age_s)
        if too_early or self.chaos.refuses_cancel(number.id, now):
            raise Denied("EARLY_CANCEL_DENIED", figure=min_age_s)
        self._take_back(number, by)

    def deliver(self, number: Number, text: str, code: str | None, now: datetime) -> Delivery:
        """An SMS arrives now. NumberIsOver where the number is not active any more."""
        if number.state != "active":
            raise NumberIsOver(f"number {number.id} is {number.state}")
        number.sms.append(Delivery(now, code or code_in(text), text))
        self.on_planned(number, number.sms[-1])
        return number.sms[-1]

    def script(self, script: Script) -> None:
        self._scripts.append((script, script.times))

    def forget_scripts(self) -> None:
        self._scripts.clear()

    def fault_for(self, action: str, service: str | None) -> Fault | None:
        """How this call is to fail, if it is; counts it as one of the script's times."""
        script = self._next_script(action, service, faulty=True)
        return script.fault if script else None

    def _next_script(self, action: str, service: str | None, *, faulty: bool) -> Script | None:
        for place in reversed(range(len(self._scripts))):
            script, left = self._scripts[place]
            if (script.fault is not None) != faulty or not script.fits(action, service):
                continue
            if left == 1:
                del self._scripts[place]
            elif left is not None:
                self._scripts[place] = (script, left - 1)
            return script
        return None

    def _number(self, service: str, country: str, reference: str | None, now: datetime) -> Number:
        script = self._next_script("getNumberV2", service, faulty=False)
        behaviour = script.behaviour if script and script.behaviour else self._usual
        number = Number(
            id=str(next(self._ids)),
            phone=self._phone(country),
            service=service,
            country=country,
            reference=reference,
            behaviour=behaviour,
            bought_at=now,
        )
        self._numbers[number.id] = number
        self._plan(number)
        if reference is not None:
            self._references[reference] = number.id
        return number

    def _plan(self, number: Number) -> None:
        said = number.behaviour
        if said.never:
            return
        first = self._delivery(number.bought_at, said.delay_s, said.code, said.text)
        self._will_get(number, first)
        if said.second_sms is not None:
            self._will_get(number, self._delivery(first.at, said.second_sms))

    def _will_get(self, number: Number, sms: Delivery) -> None:
        number.planned.append(sms)
        self.on_planned(number, sms)

    def _delivery(
        self,
        since: datetime,
        delay_s: float,
        code: str | None = None,
        text: str | None = None,
    ) -> Delivery:
        at = since + timedelta(seconds=delay_s)
        if text is not None:
            return Delivery(at, code or code_in(text), text)
        digits = code or f"{self._chance.randrange(10**6):06}"
        return Delivery(at, digits, f"Your code is {digits}")

    def _phone(self, country: str) -> str:
        prefix = PREFIXES[country]
        return f"{prefix}{self._chance.randrange(10**9):09}"

    def _advanced(self, number: Number, now: datetime) -> Number:
        """Let happen what was to happen to it by now: planned SMS first, then its end."""
        if number.state != "active":
            return number
        until = min(now, number.expires_at)
        number.sms += [sms for sms in number.planned if sms.at <= until]
        number.planned = [sms for sms in number.planned if sms.at > until]
        if now >= number.expires_at:
            if number.sms:
                number.state = "finished"
            else:
                self._take_back(number, "time")
        return number

    def _must_be_active(self, number: Number) -> None:
        if number.state != "active":
            raise Denied("BAD_STATUS", "timeout" if number.ended_by == "time" else "over")

    def _must_have_sms(self, number: Number) -> None:
        self._must_be_active(number)
        if not number.sms:
            raise Denied("BAD_STATUS", "no_sms")

    def _take_back(self, number: Number, by: str) -> None:
        number.state, number.ended_by = "cancelled", by
        number.planned.clear()
        self.balance += PRICE

    def _has_room(self, now: datetime) -> bool:
        if len(self._numbers) < self._max_numbers:
            return True
        over = next((n for n in self.numbers(now) if n.state != "active"), None)
        if over is None:
            return False
        del self._numbers[over.id]
        self._references.pop(over.reference or "", None)
        return True


def code_in(text: str) -> str | None:
    """The code as providers read it out of a text: its first run of four to eight digits."""
    found = re.search(r"(?<![0-9])[0-9]{4,8}(?![0-9])", text)
    return found.group() if found else None
