"""What one client saw, in the order in which it saw it: facts for the checker, kept for good.

Pure. A `Record` grows by one event at a time and knows the cursor that its client keeps, by the
rule of docs/protocol.md: from each change, and from `system` only where there is none yet or the
answer is a resync. Times are of time.monotonic(), in seconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

Row: TypeAlias = Mapping[str, object]
Key: TypeAlias = tuple[str, str]  # table and primary key
Rows: TypeAlias = Mapping[Key, Row]

KEYS = {"wallets": "user_id"}
OWNERS = {"cargo": "owner"}


def key_of(table: str, row: Row) -> Key:
    """By what a row is known again."""
    return table, str(row[KEYS.get(table, "id")])


def owner_of(table: str, row: Row) -> str:
    """Whose row it is."""
    return str(row[OWNERS.get(table, "user_id")])


@dataclass(frozen=True, slots=True)
class Connected:
    """A socket is open, to the gateway of that name."""

    at_s: float
    gateway: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The join is answered. `since`: the cursor that it carried; `feed_seq`: where the log was."""

    at_s: float
    since: int | None
    feed_seq: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One change. `row` is the new row, the old one of a DELETE; both as they were sent."""

    at_s: float
    seq: int
    prev: int
    op: str
    table: str
    row: Row
    old: Row | None = None


@dataclass(frozen=True, slots=True)
class Resynced:
    """The cursor could not be served: everything is to be read anew, changes follow `feed_seq`."""

    at_s: float
    reason: str
    feed_seq: int
    epoch: str


@dataclass(frozen=True, slots=True)
class ReadAnew:
    """All of the user's rows, from one snapshot with the feed at `seq`."""

    at_s: float
    seq: int
    rows: Rows


@dataclass(frozen=True, slots=True)
class Failed:
    """A socket or a join that was not to be had; the client tries again."""

    at_s: float
    gateway: str
    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The socket is gone. `code` as the gateway closed it, None where it was just cut.

    `by_client`: its own decision, because nothing answered any more or it was told to go.
    """

    at_s: float
    gateway: str
    code: int | None
    reason: str
    by_client: bool = False


Event: TypeAlias = Connected | Joined | Changed | Resynced | ReadAnew | Failed | Ended


@dataclass
class Record:
    """One client's events. `since` and `epoch` are its cursor, None before it has one.

    `table`: what its binding asks for, `*` for all of the user's feed.
    """

    client: str
    user: UUID
    table: str = "*"
    since: int | None = None
    epoch: str | None = None
    events: list[Event] = field(default_factory=list)

    def note(self, event: Event) -> None:
        """One more."""
        self.events.append(event)
        match event:
            case Changed():
                self.since = event.seq
            case Joined():
                self.epoch = event.epoch
                self.since = event.feed_seq if self.since is None else self.since
            case Resynced():
                self.since, self.epoch = event.feed_seq, event.epoch

    @property
    def joined(self) -> bool:
        """Whether it is served just now."""
        for event in reversed(self.events):
            if isinstance(event, Joined | Changed | Resynced):
                return True
            if isinstance(event, Connected | Ended | Failed):
                return False
        return False

    def of(self, kind: type[Event]) -> list[Event]:
        """Its events of that kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def ends(self) -> list[Ended]:
        """How its sockets ended."""
        return [event for event in self.events if isinstance(event, Ended)]

    @property
    def seqs(self) -> list[int]:
        """The number of each change that it was told, as they came."""
        return [event.seq for event in self.events if isinstance(event, Changed)]

    @property
    def sockets(self) -> int:
        """How many it has had."""
        return sum(isinstance(event, Connected) for event in self.events)


@dataclass(frozen=True)
class Course:
    """A stretch of a record within one history: what followed a first join, or a resync.

    `after`: the number behind which it begins; `known`: whether the client knows all rows there.
    """

    epoch: str
    after: int
    known: bool
    changes: Sequence[Changed]


def courses(record: Record) -> Iterator[Course]:
    """A record's courses; only the last one goes on to the end of the log."""
    begin: tuple[str, int, bool] | None = None
    changes: list[Changed] = []
    read_at = 0  # who begins with 0 has read that there was nothing
    for event in record.events:
        match event:
            case Changed():
                changes.append(event)
            case ReadAnew() if begin is None:
                read_at = event.seq
            case Joined() if begin is None:
                after = event.feed_seq if event.since is None else event.since
                begin = event.epoch, after, after == read_at
            case Resynced():
                if begin is not None:
                    yield Course(*begin, changes)
                begin, changes = (event.epoch, event.feed_seq, True), []
    if begin is not None:
        yield Course(*begin, changes)


def screen(record: Record) -> dict[Key, Row]:
    """The state that the client shows: rows by key, as its last reading and the changes say."""
    shown: dict[Key, Row] = {}
    read_at = 0
    for event in record.events:
        match event:
            case Resynced():
                shown, read_at = {}, 0
            case ReadAnew():
                shown, read_at = dict(event.rows), event.seq
            case Changed() if event.seq > read_at:
                _show(shown, event)
    return shown


def _show(shown: dict[Key, Row], change: Changed) -> None:
    key = key_of(change.table, change.row)
    if change.op == "DELETE":
        shown.pop(key, None)
    else:
        shown[key] = change.row
