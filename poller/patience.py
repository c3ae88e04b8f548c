"""How long an account whose provider is in trouble is left alone altogether.

Pure: times are the seconds of a monotonic clock, handed in. One refusal of the account is enough;
silence has to come three times in a row, because a single number may hang alone.
"""

from db.backoff import Backoff
from poller.providers.answers import AccountRefused, NoAnswer
from poller.schedule import MAX_SAID_S

SILENCES = 3


class Patience:
    """Told every answer; says how long to wait."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._silences = 0
        self._until_s = 0.0
        self.trouble: str | None = None

    def heard(self, answer: object, now_s: float) -> None:
        if isinstance(answer, AccountRefused):
            self._troubled(answer.word, now_s, min(answer.retry_after_s or 0, MAX_SAID_S))
        elif isinstance(answer, NoAnswer):
            self._silences += 1
            if self._silences >= SILENCES:
                self._troubled(answer.word, now_s, 0)
        else:
            self._silences, self.trouble = 0, None
            self._backoff.reset()

    def wait_s(self, now_s: float) -> float:
        """Seconds until the account may be asked again; 0 if now."""
        return max(0.0, self._until_s - now_s)

    def _troubled(self, word: str, now_s: float, said_s: float) -> None:
        self.trouble = word
        # Calls that were under way together fail together, and count as one.
        if now_s >= self._until_s:
            self._until_s = now_s + max(self._backoff.next_s(), said_s)
        else:
            self._until_s = max(self._until_s, now_s + said_s)
