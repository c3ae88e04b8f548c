"""db/feed.py: what a page proves about a cursor."""

from uuid import UUID

import pytest

from db.feed import LIVE_ONLY, Change, Page, lost_cursor, wire_epoch


def torn(after: int, last_seq: int, *numbers: int, complete: bool = True) -> Page:
    """A page of just these changes."""
    changes = [Change(n, "", "public", "t", "INSERT", "{}", None) for n in numbers]
    return Page("u", after, last_seq, changes, complete)


def page(after: int, last_seq: int, first: int | None = None) -> Page:
    """A page whose changes go from `first` to `last_seq`."""
    numbers = range(first, last_seq + 1) if first is not None else ()
    changes = [Change(n, "", "public", "t", "INSERT", "{}", None) for n in numbers]
    return Page("u", after, last_seq, changes)


@pytest.mark.parametrize(
    ("found", "cursor", "expected"),
    [
        (page(41, 41), 41, None),
        (page(41, 43, first=42), 41, None),
        (page(41, 43, first=42), 43, None),
        (page(0, 0), 0, None),
        (page(41, 43, first=43), 41, "cursor too old"),
        (page(41, 43, first=43), 42, None),
        (page(41, 43), 41, "cursor too old"),
        (page(0, 7), 0, "cursor too old"),
        (page(41, 40), 41, "cursor ahead"),
        (page(LIVE_ONLY, 40), 41, "cursor ahead"),
    ],
)
def test_a_cursor_is_served_completely_or_said_to_be_lost(
    found: Page, cursor: int, expected: str | None
) -> None:
    assert lost_cursor(found, cursor) == expected


@pytest.mark.parametrize(
    ("found", "served_from"),
    [
        (torn(0, 5, 1, 2, 4, 5), 3),
        (torn(0, 7, 1, 3, 4, 6, 7), 5),
        (torn(0, 9, 1, 2, 4, complete=False), 3),
        (torn(0, 5, 3, 5), 4),
        (torn(0, 5, 1, 2, 3, 4), 5),
        (torn(0, 5, 1), 5),
        (torn(0, 5, 1, complete=False), 0),
        (torn(0, 5, 5), 4),
    ],
)
def test_a_hole_within_a_page_or_at_its_end_is_never_served_over(
    found: Page, served_from: int
) -> None:
    assert found.served_from == served_from
    for cursor in range(found.after, found.last_seq + 1):
        lost = lost_cursor(found, cursor)
        assert lost == (None if cursor >= served_from else "cursor too old")


def test_an_epoch_differs_between_users_and_histories() -> None:
    one, two = UUID(int=1), UUID(int=2)
    names = {wire_epoch(epoch, str(user)) for epoch in (one, two) for user in (one, two)}
    assert len(names) == 4
    assert all(len(name) == 16 for name in names)
