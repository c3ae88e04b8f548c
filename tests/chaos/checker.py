"""Holds what each client saw against the log and against a SELECT as its user. Pure.

The rules: complete, in order, once, as logged, only own rows, the same rows in the end, no resync
that nobody caused, every disconnect explained, back without help. And of the database: each write
applied once, the wallets equal to their ledger. tests/chaos/test_checker.py breaks each of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.chaos.record import (
    Changed,
    Course,
    Ended,
    Joined,
    Key,
    Record,
    Resynced,
    Row,
    courses,
    owner_of,
    screen,
)  # fmt: skip

SLACK_S = 2.0  # between what was done to a line and what a client notices of it
BACK_LIMIT_S = 45.0


@dataclass(frozen=True)
class Logged:
    """One change as sonnette.changes has it."""

    op: str
    table: str
    record: Row | None
    old: Row | None


@dataclass(frozen=True)
class Feed:
    """A user's feed as the database has it now: the log by number, and the rows that there are.

    `pruned`: up to which number the log is gone, as it has to be after a while.
    """

    epoch: str
    last_seq: int
    log: Mapping[int, Logged]
    rows: Mapping[Key, Row]
    pruned: int = 0


@dataclass(frozen=True)
class Write:
    """A committed transaction: how many rows it inserted, and how many of them the log has."""

    inserted: int
    found: int


@dataclass(frozen=True)
class Excuse:
    """What was done, or logged, that may end a gateway's sockets without a close code.

    `gateway` "*": those of all. `until_s`: when it was over.
    """

    gateway: str
    since_s: float
    until_s: float
    why: str


@dataclass(frozen=True)
class Truth:
    """What the records are held against.

    `writes` by their marks; `lost`: marks of writes that were acknowledged and are not there.
    `money`: what sonnette.money_differences says, and `bought`: where the provider's side and ours
    do not agree; both must be nothing.
    `resyncs`: the reasons for reading anew that this run has given cause for.
    """

    feeds: Mapping[UUID, Feed]
    writes: Mapping[str, Write] = field(default_factory=dict)
    lost: Sequence[str] = ()
    money: Sequence[str] = ()
    bought: Sequence[str] = ()
    excuses: Sequence[Excuse] = ()
    resyncs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    rule: str
    client: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.client}: {self.sentence} ({self.rule})"


Rule = Callable[[Record, Truth], Iterator[str]]


def findings(records: Iterable[Record], truth: Truth) -> list[Finding]:
    """Everything that is wrong; empty is what a run wants."""
    found = [
        Finding(rule.__name__.replace("_", " ").strip(), record.client, sentence)
        for record in records
        for rule in RULES
        for sentence in rule(record, truth)
    ]
    found += [Finding("wallet equal to ledger", "money", sentence) for sentence in truth.money]
    found += [Finding("as the provider has it", "provider", said) for said in truth.bought]
    return found + list(_writes(truth))


def _complete(record: Record, truth: Truth) -> Iterator[str]:
    feed, course = truth.feeds[record.user], _last(record)
    if course is None or course.epoch != feed.epoch:
        yield f"it is served from {course and course.epoch}, and the history is {feed.epoch}"
        return
    told = {change.seq for change in course.changes}
    wanted = range(max(course.after, feed.pruned) + 1, feed.last_seq + 1)
    missing = [seq for seq in wanted if seq not in told and _asked(record, feed.log.get(seq))]
    if missing:
        yield f"{len(missing)} changes of the log never came: {_some(missing)}"


def _in_order(record: Record, truth: Truth) -> Iterator[str]:
    for course in courses(record):
        before = course.after
        for change in course.changes:
            if change.seq < before:
                yield f"{change.seq} came after {before}"
            elif change.prev != before:
                yield f"{change.seq} says that it follows {change.prev}, and {before} was the last"
            before = change.seq


def _once(record: Record, truth: Truth) -> Iterator[str]:
    for course in courses(record):
        told: set[int] = set()
        for change in course.changes:
            if change.seq in told:
                yield f"{change.seq} came twice"
            told.add(change.seq)


def _as_logged(record: Record, truth: Truth) -> Iterator[str]:
    feed, course = truth.feeds[record.user], _last(record)
    if course is None or course.epoch != feed.epoch:
        return  # the log of the history before is gone
    for change in course.changes:
        if change.seq <= feed.pruned:
            continue
        logged = feed.log.get(change.seq)
        if logged is None:
            yield f"{change.seq} is not in the log"
        elif logged != _told(change):
            yield f"{change.seq} was not sent as logged: {_difference(_told(change), logged)}"


def _only_own_rows(record: Record, truth: Truth) -> Iterator[str]:
    for event in record.events:
        if isinstance(event, Changed) and owner_of(event.table, event.row) != str(record.user):
            owner = owner_of(event.table, event.row)
            yield f"{event.seq} is a row of {owner}, and the client is {record.user}'s"


def _same_in_the_end(record: Record, truth: Truth) -> Iterator[str]:
    shown, course = screen(record), _last(record)
    there = {
        key: row
        for key, row in truth.feeds[record.user].rows.items()
        if record.table in ("*", key[0])
    }
    for key, row in shown.items():
        if there.get(key) != row:
            yield f"{key} is shown otherwise than a SELECT gives it: {_unlike(row, there.get(key))}"
    if course is not None and course.known:
        yield from (f"{key} is not shown" for key in there.keys() - shown.keys())


def _no_needless_resync(record: Record, truth: Truth) -> Iterator[str]:
    for event in record.events:
        if isinstance(event, Resynced) and event.reason not in truth.resyncs:
            yield f"it was told to read all anew ({event.reason}), and there was no cause"


def _disconnects_explained(record: Record, truth: Truth) -> Iterator[str]:
    for event in record.events:
        if not isinstance(event, Ended) or event.by_client or event.code is not None:
            continue
        if not any(_covers(one, event) for one in truth.excuses):
            yield f"{event.gateway} cut it off without a code, and nobody says why"


def _back_without_help(record: Record, truth: Truth) -> Iterator[str]:
    """In time after the end of its socket, or of the last thing done to the world by then."""
    away_s: float | None = None
    for event in record.events:
        if isinstance(event, Ended):
            away_s = event.at_s
        elif isinstance(event, Joined) and away_s is not None:
            over_s = [one.until_s for one in truth.excuses if one.until_s <= event.at_s]
            took_s = event.at_s - max([away_s, *over_s])
            if took_s > BACK_LIMIT_S:
                yield f"it was back only after {took_s:.0f} s"
            away_s = None
    if not record.joined:
        yield "it is not connected at the end"


RULES: Sequence[Rule] = (
    _complete, _in_order, _once, _as_logged, _only_own_rows, _same_in_the_end,
    _no_needless_resync, _disconnects_explained, _back_without_help,
)  # fmt: skip


def _writes(truth: Truth) -> Iterator[Finding]:
    for mark in truth.lost:
        yield Finding("each write once", mark, "it was committed, and is not there")
    pruned = any(feed.pruned for feed in truth.feeds.values())
    for mark, write in truth.writes.items():
        if write.found > write.inserted or (write.found < write.inserted and not pruned):
            sentence = f"it has inserted {write.inserted} rows, and the log has {write.found}"
            yield Finding("each write once", mark, sentence)


def _covers(excuse: Excuse, end: Ended) -> bool:
    concerned = excuse.gateway in ("*", end.gateway)
    return concerned and excuse.since_s - SLACK_S <= end.at_s <= excuse.until_s + SLACK_S


def _last(record: Record) -> Course | None:
    return next(reversed(list(courses(record))), None)


def _asked(record: Record, logged: Logged | None) -> bool:
    return logged is None or record.table in ("*", logged.table)


def _told(change: Changed) -> Logged:
    if change.op == "DELETE":
        return Logged(change.op, change.table, None, change.row)
    return Logged(change.op, change.table, change.row, change.old)


def _difference(told: Logged, logged: Logged) -> str:
    if (told.op, told.table) != (logged.op, logged.table):
        return f"{told.op} of {told.table}, and not {logged.op} of {logged.table}"
    return f"{_unlike(told.record, logged.record)}{_unlike(told.old, logged.old)}"


def _unlike(one: Row | None, other: Row | None) -> str:
    if one is None or other is None:
        return "" if one is other else f"{one}, and not {other}"
    columns = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    return "".join(f"{name} {one.get(name)}, and not {other.get(name)}; " for name in columns)


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (" and so on" if len(numbers) > 10 else "")
