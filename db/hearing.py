"""Whether a process hears: the listener's state, and what its canaries prove.

Pure: `now_s` is an argument, of any clock that only moves on. A canary is a payload of the
process's own that it sends over another connection; its echo on the listening one proves all that
lies between, and one that stays out proves that an open connection hears nothing.
"""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

CANARY = "~"  # how the payload of every process's canaries begins
MAX_DIGITS = 19  # of a canary's number; whoever may connect may NOTIFY, and int() refuses thousands

DEAF = "the listening connection is open and hears nothing: a canary did not come back"
SILENT = (
    "Postgres says nothing: a canary was neither answered nor heard; the line to it is half-open, "
    "or its commits stand still"
)
POOLER = (
    "a pooler in transaction mode stands before Postgres, and what is listened to there nobody "
    "hears: DATABASE_URL has to reach Postgres itself, or a pool in session mode"
)


@dataclass(frozen=True)
class Pace:
    """How often a canary is sent, and how late its echo may be. Found deaf after both, 8 s."""

    every_s: float = 3.0
    suspect_after_s: float = 1.0
    echo_limit_s: float = 5.0


USUAL = Pace()


class State(Enum):
    """CONNECTING until LISTEN is in force; SUSPECT while an echo is late; DEAF until it is cut."""

    CONNECTING = "connecting"
    LISTENING = "listening"
    SUSPECT = "suspect"
    DEAF = "deaf"
    BACKING_OFF = "backing off"


class Hearing:
    """The ears of `process`. `problem` is why it does not hear, None while it does."""

    def __init__(self, process: UUID, pace: Pace = USUAL) -> None:
        self.pace = pace
        self._mark = f"{CANARY}{process}:"
        self._sent: dict[int, float] = {}  # what this connection has to hear, and when it was sent
        self._number = 0
        self._answered = 0
        self._pooled = False
        self._open = False
        self.state = State.BACKING_OFF
        self.problem: str | None = "not connected yet"
        self.connects = 0
        self.times_deaf = 0

    def connecting(self) -> None:
        """A new connection is tried."""
        self.state = State.CONNECTING
        self._forget()

    def opened(self, *, pooled: bool) -> None:
        """LISTEN was answered. Behind a pooler that alone proves nothing: the echo has to."""
        self._open = True
        self._pooled = pooled

    @property
    def unproved(self) -> bool:
        """LISTEN was answered by a pooler, and no echo has come yet."""
        return self._open and self._pooled and self.state is State.CONNECTING

    def listening(self) -> None:
        """LISTEN is in force, and everything before it is marked to be read."""
        self.state = State.LISTENING
        self.problem = None
        self.connects += 1

    def lost(self, problem: str) -> bool:
        """The connection ended or never came to be; True where that is a new problem."""
        said = self.problem
        if self.state is not State.DEAF:  # its end was our doing, and why is said already
            self.problem = problem
        self.state = State.BACKING_OFF
        self._forget()
        return said != self.problem

    def canary(self, now_s: float) -> str:
        """The payload to send now."""
        self._number += 1
        if self._open:
            self._sent[self._number] = now_s
        return f"{self._mark}{self._number}"

    def answered(self) -> None:
        """The last canary was taken: from now on its silence is the listening connection's."""
        self._answered = self._number

    def unsent(self) -> None:
        """The last canary was refused: its silence proves nothing."""
        self._sent.pop(self._number, None)

    def heard(self, payload: str, now_s: float) -> float | None:
        """The seconds that the canary took, where `payload` is one that was waited for."""
        if not payload.startswith(self._mark):
            return None
        number = payload.removeprefix(self._mark)
        if not number.isdecimal() or len(number) > MAX_DIGITS:
            return None
        sent_s = self._sent.pop(int(number), None)
        if sent_s is None:
            return None
        # Rings are heard in order: what was sent before, and refused after all, comes no more.
        self._sent = {n: at for n, at in self._sent.items() if n > int(number)}
        if self.state is State.SUSPECT:
            self.state = State.LISTENING
        return now_s - sent_s

    def look(self, now_s: float) -> bool:
        """Judge by the time; True where it is found deaf just now, and has to be cut."""
        waited_s = now_s - min(self._sent.values(), default=now_s)
        if self.state is State.LISTENING and waited_s >= self.pace.suspect_after_s:
            self.state = State.SUSPECT
        if waited_s < self.pace.echo_limit_s or self.state is State.DEAF:
            return False
        self._deafened(self._diagnosis(now_s))
        return True

    def silent(self) -> bool:
        """Another connection got no answer in its time; True where this one is cut for that."""
        if self.state not in (State.LISTENING, State.SUSPECT):
            return False
        self._deafened(SILENT)
        return True

    def _deafened(self, problem: str) -> None:
        self.problem = problem
        self.state = State.DEAF
        self.times_deaf += 1

    def _diagnosis(self, now_s: float) -> str:
        unanswered = [sent_s for number, sent_s in self._sent.items() if number > self._answered]
        if now_s - min(unanswered, default=now_s) >= self.pace.suspect_after_s:
            return SILENT
        return POOLER if self.unproved else DEAF

    def _forget(self) -> None:
        self._sent.clear()
        self._open = False
