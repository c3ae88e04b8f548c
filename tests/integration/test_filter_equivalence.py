"""A filter lets through just what Postgres' own predicate would, over every type and operator.

Values that we refuse are none of this test's business; one that we take, Postgres must take, and
mean the same by it. Rows, filters and expressions are drawn by hypothesis.
"""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.filters import BadFilter
from tests.fixtures.postgres import Database
from tests.integration.filter_stage import PATTERNS, Asked, Stage

TEXT = ("t", "tc", "ti", "tf", "v", "c", "nm")
COMPARED = ("eq", "neq", "lt", "lte", "gt", "gte", "isdistinct")

LETTERS = (
    "abkKsS \u212a\u017f\u0130\u0131\u03c3\u03c2\u03a3\u01c4\u01c5\u01c6"
    "éÉßẞ\u0410\u0430😀\U00010400\U00010428_%\\09"
)
characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
texts = st.text(st.sampled_from(LETTERS) | characters, max_size=6)
numbers = st.sampled_from(
    ["0", "1", "-1", "1.5", "0.1", "1e2", "100", "NaN", "-0", "0.30", "inf", "-Infinity", "1e-7",
     "16777217", "0.1000000014901161", "9007199254740993", "3.4028235e38", "1.17549435e-38"]
) | st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6
).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)  # fmt: skip
integers = st.integers(-(2**15), 2**15 - 1).map(str) | st.sampled_from(
    ["0", "1", "+1", " 7 ", "007", "2147483647", "-9223372036854775808"]
)
moments = st.sampled_from(
    ["2026-01-01", "2026-01-01T12:00", "2026-01-01T12:00:00Z", "2026-01-01 12:00:00.5+02",
     "2026-01-01T12:00:00.123456-05:30", "2026-01-01T12:00:00.000001", "0001-01-01", "9999-12-31",
     "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+14", "2024-02-29", "infinity", "-infinity"]
) | st.datetimes().map(lambda at: at.isoformat())  # fmt: skip
older = st.sampled_from(["0044-03-15 BC", "12026-01-01", "0001-12-31 BC", "10000-01-01"])
hours = st.times().map(lambda at: at.isoformat()) | st.sampled_from(
    ["24:00", "00:00", "23:59:59.999999", "12:00:60", "12:30"]
)
VALUES = {
    **dict.fromkeys(TEXT, texts),
    **dict.fromkeys(("i2", "i4", "i8"), integers),
    **dict.fromkeys(("n", "dom", "f4", "f8"), numbers),
    **dict.fromkeys(("tz", "ts", "d"), moments),
    "b": st.sampled_from(["t", "f", "TRUE", "no", "on", "of", "o", "0", "1", " y "]),
    "u": st.uuids().map(str) | st.uuids().map(lambda one: one.hex.upper()),
    "tm": hours,
    "m": st.sampled_from(["sad", "meh", "ok", "glad", "Ok"]),
}  # fmt: skip
OTHERS = {"doc": '{"a": 1}', "arr": "{}", "gap": "1 day", "nd": "A"}
expressions = st.text(st.sampled_from("ab^$.*+?()[]{}|\\-1,:dkKs\u212aé\u03c3\u01c5"), max_size=10)
atoms = st.sampled_from(
    ["a", "b", "k", "K", "é", "\u03c3", "\u01c5", ".", "\\d", "[a-k]", "[^k]", "[[:digit:]_]",
     "[a\\]-]", "()", "^", "$", "\\.", "\\\\", "[\u03b1-\u03c9]", "[]a]", "[\u01c4-\u01c6]"]
)  # fmt: skip
written = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map(lambda one: f"({one})"),
        st.tuples(inner, st.sampled_from(["*", "+?", "?", "{2}", "{0,1}", "{1,}"])).map(
            lambda both: f"(?:{both[0]}){both[1]}"
        ),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def stage(module_database: Database) -> Iterator[Stage]:
    """The table, on a connection that writes times as the triggers do."""
    with psycopg.connect(module_database.dsn(), autocommit=True) as db:
        db.execute("set timezone = 'UTC'")
        yield Stage(db)


@st.composite
def conditions(draw: st.DrawFn, column: str) -> Asked:
    """One that the column may be asked."""
    operators = [*COMPARED, "in", "is", *(PATTERNS[:2] if column in TEXT else ())]
    operator = draw(st.sampled_from(operators))
    if operator == "is":
        words = ["null", "true", "false", "unknown"] if column == "b" else ["null"]
        values = [draw(st.sampled_from(words))]
    else:
        most = 3 if operator == "in" else 1
        values = draw(st.lists(VALUES[column], min_size=1, max_size=most))
    return Asked(column, operator, tuple(values), draw(st.booleans()))


def agree(stage: Stage, record: str, *asked: Asked) -> bool:
    """Insist that both say the same; False where the gateway refuses the filter."""
    try:
        ours = stage.gateway_says(asked, record)
    except BadFilter:
        return False
    assert ours is stage.postgres_says(asked), (record, asked)
    return True


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_operator_on_every_type(stage: Stage, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(sorted(VALUES.keys() & stage.columns.keys())))
    asked = data.draw(st.lists(conditions(column), min_size=1, max_size=3))
    values = [value for one in asked for value in one.values]
    stored = data.draw(st.none() | VALUES[column] | older | st.sampled_from(values))
    record = stage.record(column, stored)
    if record is not None:
        agree(stage, record, *asked)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    column=st.sampled_from(TEXT),
    operator=st.sampled_from(PATTERNS),
    pattern=expressions | written | texts,
    stored=texts | st.text(st.sampled_from("abkK19]-é\u03c3\u01c5\n"), max_size=5),
    negated=st.booleans(),
)
@example("t", "imatch", "k", "\u212a", False)
@example("t", "imatch", "\u212a", "k", False)
@example("t", "imatch", "\u01c5", "\u01c5", False)
@example("t", "ilike", "\u0130", "i", False)
@example("t", "match", "^(a|)*$", "aa", False)
@example("c", "like", "a", "a", False)
@example("tc", "imatch", "é", "É", False)
@example("ti", "match", "^[^a]$", "é", True)
def test_patterns(
    stage: Stage, column: str, operator: str, pattern: str, stored: str, negated: bool
) -> None:
    record = stage.record(column, stored) if column in stage.columns else None
    if record is not None:
        agree(stage, record, Asked(column, operator, (pattern,), negated))


SAMPLES = {
    **OTHERS, **dict.fromkeys(("tz", "ts", "d"), "2026-01-01"), "b": "t", "m": "ok", "tm": "12:00",
    "u": "a11ce000000040008000000000000001",
}  # fmt: skip


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("negated", [True, False])
def test_every_column_can_be_asked_for_null(stage: Stage, stored: bool, negated: bool) -> None:
    for column in stage.columns.keys() - {"id", "owner"}:
        record = stage.record(column, SAMPLES.get(column, "1") if stored else None)
        assert record is not None
        assert agree(stage, record, Asked(column, "is", ("null",), negated))


@pytest.mark.parametrize("operator", ["eq", "in", "like", "isdistinct", "gt"])
def test_what_cannot_be_compared_is_refused(stage: Stage, operator: str) -> None:
    for column in OTHERS.keys() & stage.columns.keys():
        with pytest.raises(BadFilter):
            stage.gateway_says([Asked(column, operator, (OTHERS[column],))], "{}")


REFUSED = {"ti": {"lt", "lte", "gt", "gte", "ilike", "imatch"}, "tf": {"ilike", "imatch"}}


def test_text_is_refused_no_more_than_it_must_be(stage: Stage) -> None:
    everything = {*COMPARED, "in", *PATTERNS}
    for column in stage.columns.keys() & set(TEXT):
        record = stage.record(column, "abc")
        assert record is not None
        taken = {one for one in everything if agree(stage, record, Asked(column, one, ("abc",)))}
        assert everything - taken == REFUSED.get(column, set())


def test_character_classes_that_all_locales_share(stage: Stage) -> None:
    digits = [chr(code) for code in range(1, 0x3000) if chr(code).isdigit()]
    for column in ("t", "tc"):
        for text in [*digits, "a", " "]:
            record = stage.record(column, text)
            assert record is not None
            assert agree(stage, record, Asked(column, "match", ("\\d|[[:digit:]]",)))


@pytest.mark.parametrize("name", ["alpha", "alnum", "upper", "lower", "space", "blank", "punct",
                                  "cntrl", "graph", "print", "xdigit", "word"])  # fmt: skip
@pytest.mark.parametrize("operator", ["match", "imatch"])
def test_character_classes_of_the_c_collation(stage: Stage, name: str, operator: str) -> None:
    for code in [*range(1, 128), 0xE9, 0x2003]:
        record = stage.record("tc", chr(code))
        assert record is not None
        assert agree(stage, record, Asked("tc", operator, (f"^[[:{name}:]]$",)))


@pytest.mark.parametrize("operator", ["ilike", "imatch"])
def test_every_letter_changes_its_case_as_the_collation_says(stage: Stage, operator: str) -> None:
    letters = stage.columns["t"].letters
    assert letters is not None
    for code in sorted(letters.lower)[::7]:
        for stored in (chr(code), chr(letters.lower[code])):
            record = stage.record("t", stored)
            assert record is not None
            assert agree(stage, record, Asked("t", operator, (chr(code),)))
