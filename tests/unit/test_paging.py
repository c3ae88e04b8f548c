"""A list in pages: put together without a gap, or not called whole."""

from collections.abc import Sequence

from poller.providers.answers import ActiveList, ActiveRow
from poller.providers.paging import MAX_PAGES, Pages

SIZE = 100


def rows(first: int, count: int) -> tuple[ActiveRow, ...]:
    return tuple(ActiveRow(str(n), "628", "wa", "6") for n in range(first, first + count))


def turned(pages: Sequence[ActiveList]) -> Pages:
    found = Pages(SIZE)
    for page in pages:
        found = found.with_page(page)
    return found


def test_a_page_that_is_not_full_is_the_last() -> None:
    found = turned([ActiveList(rows(0, 99))])
    assert not found.may_go_on
    assert found.list() == ActiveList(rows(0, 99))


def test_the_next_page_begins_with_the_last_rows_of_the_one_before() -> None:
    first = turned([ActiveList(rows(0, 100))])
    assert first.may_go_on
    assert first.next_start == 90
    both = first.with_page(ActiveList(rows(90, 40)))
    assert both.list() == ActiveList(rows(0, 130))


def test_rows_that_were_passed_over_leave_a_list_that_is_not_whole() -> None:
    found = turned([ActiveList(rows(0, 100)), ActiveList(rows(110, 20))])
    assert found.list() == ActiveList(rows(0, 100) + rows(110, 20), whole=False)


def test_a_list_that_nobody_finished_reading_is_not_whole() -> None:
    assert not turned([ActiveList(rows(0, 100))]).list().whole


def test_a_row_that_cannot_be_read_counts_for_the_page_and_may_be_any_number() -> None:
    found = turned([ActiveList(rows(0, 99), skipped=1)])
    assert found.may_go_on
    ended = found.with_page(ActiveList(rows(90, 9)))
    assert ended.list() == ActiveList(rows(0, 99), skipped=1, whole=False)


def test_the_newest_word_on_a_number_counts() -> None:
    again = (*rows(90, 9), ActiveRow("99", "628", "wa", "6", alive=False))
    found = turned([ActiveList(rows(0, 100)), ActiveList(again)])
    assert not found.list().rows[99].alive


def test_a_provider_that_has_always_one_more_page_is_left_in_the_end() -> None:
    found = Pages(SIZE)
    while found.may_go_on:
        found = found.with_page(ActiveList(rows(found.next_start, 100)))
    assert found.count == MAX_PAGES
    assert not found.list().whole
