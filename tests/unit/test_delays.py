"""How late changes are: what is new counts, what is read again does not."""

from datetime import UTC, datetime, timedelta

from db.feed import Change, Page
from gateway.delays import Delays

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def page(after: int, *seqs: int, last: int | None = None) -> Page:
    """Changes that were made `seq` seconds after noon."""
    changes = [
        Change(seq, f"2026-01-01T12:00:{seq:02}.000Z", "public", "t", "INSERT", "{}", None)
        for seq in seqs
    ]
    return Page("u", after, max(seqs, default=after) if last is None else last, changes)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_the_first_page_of_a_user_tells_nothing() -> None:
    assert Delays().waited_s(page(0, 1, 2), at(50)) is None


def test_the_change_that_has_waited_longest_counts() -> None:
    delays = Delays()
    delays.waited_s(page(0, 1), at(1))
    assert delays.waited_s(page(1, 2, 3), at(3.5)) == 1.5


def test_what_is_read_again_does_not_count_and_what_is_new_behind_it_does() -> None:
    delays = Delays()
    delays.waited_s(page(0, last=4), at(4))
    assert delays.waited_s(page(0, 1, 2, 3, 4), at(50)) is None
    assert delays.waited_s(page(0, 1, 2, 3, 4, 5), at(7)) == 2


def test_the_rest_of_a_long_page_does_not_count_twice() -> None:
    delays = Delays()
    delays.waited_s(page(0), at(0))
    assert delays.waited_s(page(0, 1, 2, last=4), at(2)) == 1
    assert delays.waited_s(page(2, 3, 4), at(9)) is None


def test_a_clock_that_is_behind_counts_as_no_delay() -> None:
    delays = Delays()
    delays.waited_s(page(0), at(0))
    assert delays.waited_s(page(0, 5), at(1)) == 0
