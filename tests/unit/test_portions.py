"""gateway/portions.py: a read of few large changes instead of many."""

import pytest

from db.feed import Change, Page
from gateway.portions import BYTES_PER_READ, CHANGES_PER_READ, CHANGES_PER_USER, Portions


def _page(*sizes: int) -> Page:
    changes = [
        Change(seq, "2026-01-01T00:00:00.000Z", "public", "activations", "UPDATE", "x" * size, None)
        for seq, size in enumerate(sizes, 1)
    ]
    return Page("user", 0, len(sizes), changes)


@pytest.mark.parametrize(
    ("users", "most"),
    [(0, CHANGES_PER_USER), (1, CHANGES_PER_USER), (500, CHANGES_PER_READ // 500), (10**6, 1)],
)
def test_before_anything_was_read_changes_alone_count(users: int, most: int) -> None:
    assert Portions().most(users) == most


def test_large_changes_come_in_small_portions() -> None:
    portions = Portions()
    portions.note([_page(*[10_000] * 100)])
    assert portions.most(1) == BYTES_PER_READ // 10_000
    assert portions.most(5) == BYTES_PER_READ // 10_000 // 5
    assert portions.most(500) == 1


def test_both_rows_of_a_change_count() -> None:
    portions = Portions()
    change = Change(1, "", "public", "activations", "UPDATE", "x" * 10_000, "x" * 10_000)
    portions.note([Page("user", 0, 1, [change])])
    assert portions.most(1) == BYTES_PER_READ // 20_000


def test_a_change_of_many_megabytes_is_read_all_the_same() -> None:
    portions = Portions()
    portions.note([_page(10 * BYTES_PER_READ)])
    assert portions.most(1) == 1


def test_large_ones_are_forgotten_by_and_by() -> None:
    portions = Portions()
    portions.note([_page(100_000)])
    mosts = []
    for _ in range(100):
        mosts.append(portions.most(1))
        portions.note([_page(10)])
    assert mosts[0] == 2
    assert mosts == sorted(mosts)
    assert mosts[-1] == CHANGES_PER_USER


def test_a_read_that_brings_nothing_says_nothing() -> None:
    portions = Portions()
    portions.note([_page(10_000)])
    before = portions.most(1)
    portions.note([_page()])
    portions.note([])
    assert portions.most(1) == before
