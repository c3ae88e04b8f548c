"""db/queries.py: the loader of named statements."""

import pytest

from db.queries import parse, queries


def test_a_block_ends_where_the_next_begins() -> None:
    text = "-- a file\n\n-- name: one\n-- what it is\nselect 1\n\n-- name: two\nselect 2\n"
    assert parse(text) == {"one": "-- what it is\nselect 1", "two": "select 2"}


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="name one twice"):
        parse("-- name: one\nselect 1\n-- name: one\nselect 2\n")


def test_every_statement_is_there() -> None:
    assert "feed_after" in queries
    assert all(text for text in queries.values())
