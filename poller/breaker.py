"""The breaker of an account: how long a provider in trouble is left alone altogether.

Pure: times are the seconds of a monotonic clock, handed in. One refusal of the account is enough,
for as long as the provider says, and so is a failure with a time to come back at; other answers
that are none have to come five times in a row, because a single number may hang alone. A plain no
about one number is an answer like any other. Once the pause is over one harmless question is let
through, and only its answer ends the trouble.
"""

from dataclasses import dataclass
from typing import Literal

from db.backoff import Backoff
from poller.providers.answers import AccountRefused, NoAnswer, Unexpected
from poller.schedule import MAX_SAID_S
from poller.steps import said_s

MOST_FAILURES = 5


@dataclass(frozen=True)
class State:
    """`up`, or `refused` by the provider, or `open` because it fails; and how often it has."""

    name: Literal["up", "refused", "open"] = "up"
    reason: str | None = None
    failures: int = 0


class Breaker:
    """Told every answer; says how long to wait, and when to try with one question."""

    def __init__(self, backoff: Backoff, *, most_failures: int = MOST_FAILURES) -> None:
        self._backoff = backoff
        self._most_failures = most_failures
        self._failures = 0
        self._until_s = 0.0
        self.state = State()

    def heard(self, answer: object, now_s: float) -> None:
        """An answer to a question that was put while all seemed well."""
        if isinstance(answer, AccountRefused):
            self._trip(State("refused", answer.word, self._failures), now_s, said_s(answer))
        elif isinstance(answer, NoAnswer | Unexpected):
            self._failures += 1
            if self._failures >= self._most_failures or said_s(answer):
                self._trip(State("open", answer.word, self._failures), now_s, said_s(answer))
        elif not self.is_open:
            self._failures = 0
            self._backoff.reset()

    def probed(self, answer: object, now_s: float) -> None:
        """The answer to the one question that was let through.

        It closes the breaker, but the next pause is a longer one until other answers came.
        """
        if isinstance(answer, AccountRefused | NoAnswer | Unexpected):
            self._failures = max(self._failures, self._most_failures - 1)
            self.heard(answer, now_s)
        else:
            self._failures, self.state = 0, State()

    def resume(self, state: State, wait_s: float, now_s: float) -> None:
        """How another poller, or this one before it was started anew, has left the account."""
        if state.name != "up" and not self.is_open and wait_s > 0:
            self.state, self._failures = state, state.failures
            self._until_s = now_s + min(wait_s, MAX_SAID_S)

    @property
    def is_open(self) -> bool:
        """Whether nothing but a probe may be asked."""
        return self.state.name != "up"

    def wait_s(self, now_s: float) -> float:
        """Seconds until the account may be asked again, or tried; 0 if now."""
        return max(0.0, self._until_s - now_s)

    def _trip(self, state: State, now_s: float, said_s: float) -> None:
        self.state = state
        # Calls that were under way together fail together, and count as one.
        if now_s >= self._until_s:
            self._until_s = now_s + max(self._backoff.next_s(), said_s)
        else:
            self._until_s = max(self._until_s, now_s + said_s)
