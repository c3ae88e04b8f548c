"""docs/protocol.md says what is: its sentences are the gateway's own, its tests exist."""

import re
from pathlib import Path

import pytest

from gateway.filters import BadFilter, parse
from tests.columns import columns_of

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "protocol.md").read_text()
COLUMNS = columns_of({"status": "text", "sms_count": "int4", "price": "numeric", "phone": "text"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("status=eq.a,,", "filter must not contain empty segments (check for extra commas)"),
        ("status", "a filter is written column=operator.value, as in status=eq.pending"),
        ("colour=eq.red", "invalid column for filter colour"),
        ("status=fts.a", "unknown operator fts in the filter on status; there are "),
        ("sms_count=gt.many", "invalid input syntax for type integer in the filter on sms_count"),
        ("status=in.a", "`in` filter value must be wrapped by parentheses"),
        (
            f"status=in.({','.join('a' * 101)})",
            "too many values for `in` filter. Maximum 100",
        ),
        ("price=like.a", "`like` needs a text column, which price is not"),
        ("price=is.true", "`is.true` needs a boolean column"),
        ("status=match.(", "invalid regular expression: "),
        ("status=match..{250}", "the pattern in a filter is too complicated"),
    ],
)
def test_the_page_has_the_sentence_with_which_a_filter_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadFilter) as refused:
        parse(text, COLUMNS)
    assert str(refused.value).startswith(sentence)
    assert sentence in PAGE


def test_the_filters_of_the_page_can_be_used() -> None:
    section = PAGE[PAGE.index("### Filters") : PAGE.index("| refused with `InvalidFilter:`")]
    whole = [
        text for text in re.findall(r"`([^`\n]+)`", section)
        if re.match(r"(status|price|phone|operator)=", text)
    ]  # fmt: skip
    assert len(whole) >= 4
    for text in whole:
        parse(text, {**COLUMNS, **columns_of({"operator": "text"})})


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:unit|integration|interop)/\w+\.py)`", PAGE))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (TESTS / name).is_file()] == []
