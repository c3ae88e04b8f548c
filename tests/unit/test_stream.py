"""One reader's stream, with a feed and an outlet of the test's own: what is written, and when."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from db.errors import DatabaseUnavailable
from db.feed import LostCursor
from service import event_text
from service.payloads import FeedChange, Resync, StreamEnd
from service.problems import Problem
from service.reader import Cursor, FeedPage
from service.rows import Position
from service.stream import Outlet, Pace, Permit, Stream, TooSlow
from service.waiting import Doorbell, Ear

ALICE = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = Pace(heartbeat_s=0.0, tick_s=0.01, send_limit_s=0.05)
SLOW = Pace(heartbeat_s=30.0, tick_s=30.0)
LATER = NOW + timedelta(hours=1)


def change(seq: int) -> FeedChange:
    return FeedChange(
        feed_seq=seq,
        type="INSERT",
        schema="public",
        table="t",
        commit_timestamp="2026-01-01T00:00:00.000Z",
        record=msgspec.Raw(b'{"id":1}'),
        old_record=None,
    )


class Feed:
    """A feed that is `last_seq` long and is read `most` changes at a time."""

    def __init__(self, last_seq: int, most: int = 2) -> None:
        self.last_seq = last_seq
        self.most = most
        self.away = False
        self.epoch = "e"
        self.read_after: list[int] = []
        self.was_read = asyncio.Event()

    async def position(self, user_id: UUID) -> Position:
        self._refuse_if_away()
        return Position(self.last_seq, self.epoch)

    async def page(self, cursor: Cursor) -> FeedPage:
        self._refuse_if_away()
        self.read_after.append(cursor.after)
        self.was_read.set()
        lost: LostCursor | None = None
        if cursor.epoch not in (None, self.epoch):
            lost = "other history"
        elif cursor.after > self.last_seq:
            lost = "cursor ahead"
        until = min(cursor.after + self.most, self.last_seq)
        found = [] if lost else [change(seq) for seq in range(cursor.after + 1, until + 1)]
        return FeedPage(found, self.last_seq, self.epoch, lost)

    def _refuse_if_away(self) -> None:
        if self.away:
            raise DatabaseUnavailable("gone")


class Told:
    """What was written, until `enough` says that it is, and the ear is closed."""

    def __init__(self, ear: Ear, enough: Callable[[bytes], bool]) -> None:
        self.text = b""
        self._ear = ear
        self._enough = enough

    async def write(self, text: bytes) -> None:
        self.text += text
        if self._enough(self.text):
            self._ear.close()


async def always() -> datetime:
    return LATER


async def told(
    feed: Feed,
    enough: Callable[[bytes], bool],
    after: int | None,
    *,
    epoch: str | None = None,
    pace: Pace = SLOW,
    check: Callable[[], Awaitable[datetime]] = always,
    meanwhile: Callable[[Doorbell], Coroutine[None, None, None]] | None = None,
) -> str:
    doorbell = Doorbell()
    permit = Permit(ALICE, check, lambda: NOW)
    stream = Stream(feed, permit, after, epoch, pace)
    with doorbell.listening("u") as ear:
        heard = Told(ear, enough)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(stream.run(ear, Outlet(heard.write, pace.send_limit_s)))
            if meanwhile is not None:
                tasks.create_task(meanwhile(doorbell))
    return heard.text.decode()


def until(text: str) -> Callable[[bytes], bool]:
    return lambda heard: text.encode() in heard


async def test_all_that_follows_the_cursor_comes_in_order_over_several_reads() -> None:
    feed = Feed(last_seq=5)
    said = await told(feed, until("id: 5\n"), after=1)
    assert [line for line in said.splitlines() if line.startswith("id:")] == [
        f"id: {seq}" for seq in (2, 3, 4, 5)
    ]
    assert feed.read_after == [1, 3]


async def test_without_a_cursor_it_begins_now_and_says_where() -> None:
    feed = Feed(last_seq=5)

    async def news(doorbell: Doorbell) -> None:
        await feed.was_read.wait()
        feed.last_seq = 6
        doorbell.ring(["u"])

    said = await told(feed, until("event: change"), after=None, meanwhile=news)
    assert said.startswith("retry: ")
    assert [line for line in said.splitlines() if line.startswith("id:")] == ["id: 5", "id: 6"]


@pytest.mark.parametrize(
    ("after", "epoch", "message"), [(9, None, "cursor ahead"), (1, "old", "other history")]
)
async def test_a_lost_cursor_is_said_once_and_then_it_is_live(
    after: int, epoch: str | None, message: str
) -> None:
    feed = Feed(last_seq=5)

    async def news(doorbell: Doorbell) -> None:
        await feed.was_read.wait()
        feed.last_seq = 6
        doorbell.ring(["u"])

    said = await told(feed, until("event: change"), after=after, epoch=epoch, meanwhile=news)
    assert said.count("event: resync") == 1
    assert f'"message":"{message}"' in said
    assert said.index("id: 5\n") < said.index("id: 6\n")


async def test_a_quiet_stream_has_heartbeats() -> None:
    said = await told(Feed(0), lambda heard: heard.count(b": heartbeat\n\n") == 3, 0, pace=QUICK)
    assert "event:" not in said


async def test_a_lost_ring_costs_a_tick_and_nothing_else() -> None:
    feed = Feed(last_seq=0)

    async def silently(_: Doorbell) -> None:
        await feed.was_read.wait()
        feed.last_seq = 1

    assert "id: 1" in await told(feed, until("id: 1"), 0, pace=QUICK, meanwhile=silently)


async def test_an_outage_is_waited_out() -> None:
    feed = Feed(last_seq=1)
    feed.away = True

    def enough(heard: bytes) -> bool:
        feed.away = heard.count(event_text.HEARTBEAT) < 2
        return b"id: 1" in heard

    said = await told(feed, enough, 0, pace=QUICK)
    assert said.count(": heartbeat") >= 2


async def test_the_end_of_the_token_is_said_and_ends_it() -> None:
    checks = iter([NOW, None])

    async def check() -> datetime:
        ends_at = next(checks)
        if ends_at is None:
            raise Problem("token_refused", "Token has expired 0 seconds ago")
        return ends_at

    said = await told(Feed(0), until("never"), 0, check=check)  # the ear is never closed
    end = StreamEnd("token_refused", "Token has expired 0 seconds ago")
    assert said.endswith(event_text.end(end).decode())


async def test_while_nobody_can_say_whether_the_token_holds_nothing_is_shown() -> None:
    feed, checks = Feed(1), iter([False, False, True])

    async def check() -> datetime:
        if not next(checks, True):
            assert not feed.read_after
            raise Problem("unavailable", "no keys yet")
        return LATER

    assert "id: 1" in await told(feed, until("id: 1"), 0, check=check, pace=QUICK)


async def test_a_reader_that_takes_nothing_is_too_slow() -> None:
    async def never(_: bytes) -> None:
        await asyncio.Event().wait()

    outlet = Outlet(never, 0.01)
    with pytest.raises(TooSlow):
        await outlet.write(b"x")


async def test_a_closed_ear_ends_it() -> None:
    feed = Feed(0)

    async def stop(doorbell: Doorbell) -> None:
        await feed.was_read.wait()
        doorbell.close()

    assert "event" not in await told(feed, until("never"), 0, meanwhile=stop)


def test_an_event_is_one_line_of_data_whatever_is_in_the_row() -> None:
    row = msgspec.structs.replace(change(7), record=msgspec.Raw(b'{"a":\r\n[1,\n2]}'))
    text = event_text.change(row).decode()
    assert text.startswith("event: change\nid: 7\ndata: {")
    assert text.endswith("}\n\n")
    assert text.count("\n") == 4
    assert "\r" not in text


def test_a_resync_says_where_it_goes_on() -> None:
    text = event_text.resync(Resync(message="cursor too old", feed_seq=9, epoch="e"))
    assert text == (
        b'event: resync\nid: 9\ndata: {"message":"cursor too old","feed_seq":9,"epoch":"e"}\n\n'
    )
