"""One simulated account for each dialect, steered together: scripts, chaos, webhooks, SMS by hand.

Pure. No number's id is ever that of another account's.
"""

from collections import Counter
from datetime import datetime
from functools import partial

from poller import simulated_api, simulated_five_sim
from poller.script import Behaviour, Script, ScriptError
from poller.simulated import SERVICES, Delivery, Denied, Number, SimulatedProvider
from poller.simulated_chaos import Chaos, Rates
from poller.simulated_manners import BY_KEY, SMS_ACTIVATE
from poller.simulated_webhooks import Outbox

FIVE_SIM = "5sim"
ACTIONS = {*simulated_api.ACTIONS, *(action for _, action in simulated_five_sim.ACTIONS)}


class Accounts:
    """All of them; `first` is the one of SMS-Activate's dialect."""

    def __init__(self, first: SimulatedProvider) -> None:
        self.outbox = Outbox()
        others = [m.dialect for m in BY_KEY.values() if m is not SMS_ACTIVATE]
        self.of: dict[str, SimulatedProvider] = {SMS_ACTIVATE.dialect: first}
        self.of |= {dialect: first.sibling(Behaviour()) for dialect in others}
        self.of[FIVE_SIM] = first.sibling(simulated_five_sim.USUAL)
        for dialect, provider in self.of.items():
            provider.on_planned = partial(self.outbox.planned, dialect, provider)

    def script(self, script: Script) -> None:
        """Follow it in its dialect, or in all, where each counts its own times. ScriptError."""
        _check("service", script.service, SERVICES)
        _check("action", script.action, sorted(ACTIONS))
        _check("dialect", script.dialect, list(self.of))
        for dialect, provider in self.of.items():
            if script.dialect in (None, dialect):
                provider.script(script)

    def forget_scripts(self) -> None:
        for provider in self.of.values():
            provider.forget_scripts()

    def chaos(self, rates: Rates) -> None:
        """From now on, in every dialect. Rates of zero end it."""
        for provider in self.of.values():
            provider.chaos = Chaos(rates)

    def numbers(self, now: datetime) -> list[tuple[str, Number]]:
        """Every number with its dialect."""
        return [(name, number) for name, p in self.of.items() for number in p.numbers(now)]

    def deliver(self, id_or_phone: str, text: str, code: str | None, now: datetime) -> Delivery:
        """An SMS arrives now. Denied where there is no such number, NumberIsOver where it ended."""
        for provider in self.of.values():
            for find in (provider.find, provider.find_by_phone):
                try:
                    number = find(id_or_phone.lstrip("+"), now)
                except Denied:
                    continue
                return provider.deliver(number, text, code, now)
        raise Denied("NO_ACTIVATION")

    def calls(self) -> dict[str, dict[str, int]]:
        """How often each action was called, by dialect."""
        return {dialect: dict(provider.calls) for dialect, provider in self.of.items()}

    def all_calls(self) -> dict[str, int]:
        return dict(sum((provider.calls for provider in self.of.values()), Counter[str]()))


def _check(name: str, said: str | None, known: list[str] | tuple[str, ...]) -> None:
    if said is not None and said not in known:
        raise ScriptError(f"{name} must be one of {', '.join(known)}")
