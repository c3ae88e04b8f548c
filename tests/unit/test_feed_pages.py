"""db/feed.py: what a page proves about a cursor."""

from uuid import UUID

import pytest

from db.feed import LIVE_ONLY, Change, Page, lost_cursor, wire_epoch


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


def test_an_epoch_differs_between_users_and_histories() -> None:
    one, two = UUID(int=1), UUID(int=2)
    names = {wire_epoch(epoch, str(user)) for epoch in (one, two) for user in (one, two)}
    assert len(names) == 4
    assert all(len(name) == 16 for name in names)
