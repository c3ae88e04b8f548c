"""docs/protocol.md says what is: its sentences are the gateway's own, its tests exist.

So do those of docs/api.md, and both pages tell of everything where it is tested.
"""

import re
from pathlib import Path

import pytest

from gateway.filters import BadFilter, parse
from service import operations
from tests.columns import columns_of

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "protocol.md").read_text()
API = (TESTS.parent / "docs" / "api.md").read_text()
# What the page of the API calls an operation in its table, where not by its path.
WORDS = {
    **{name: ["buying, lists"] for name in ("buy", "activations", "activation")},
    **{name: [name] for name in ("check", "cancel", "finish", "another", "recover")},
    **{name: ["the functions"] for name in ("checkSmsActivateStatus", "updateActivationSms")},
    "webhook": ["webhooks"],
}
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


@pytest.mark.parametrize("page", [PAGE, API], ids=["protocol", "api"])
def test_every_test_that_the_page_names_is_there(page: str) -> None:
    named = set(re.findall(r"`((?:unit|integration|interop|acceptance|fuzz)/\w+\.py)`", page))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (TESTS / name).is_file()] == []


def test_every_message_has_a_line_that_says_where_it_is_tested() -> None:
    table = PAGE[PAGE.index("## Where each rule is tested") :]
    document = (TESTS.parent / "docs" / "asyncapi.yaml").read_text()
    events = set(re.findall(r"event: \{ const: (\w+) \}", document))
    codes = set(re.findall(r"^\| (4\d{3}) \|", PAGE, re.MULTILINE))
    assert len(events) > 7
    assert len(codes) > 3
    for word in events | codes | {"broadcast", "presence", "1012", "1009", "1013"}:
        assert word in table, word


def test_every_call_has_a_line_that_says_where_it_is_tested() -> None:
    table = API[API.index("## Where each call is tested") :]
    called = [o for o in vars(operations).values() if isinstance(o, operations.Operation)]
    assert len(called) > 15
    for operation in called:
        assert any(word in table for word in WORDS.get(operation.name, [operation.path]))
