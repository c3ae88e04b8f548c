"""Text in other collations than C: compared where Postgres would say the same, else refused."""

import pytest

from gateway.columns import Collation, Column
from gateway.filters import BadFilter, parse

BY_LANGUAGE = Collation("pg_catalog", "de-x-icu", by_code_point=False, case="other")
CASELESS = Collation("public", "caseless", deterministic=False, by_code_point=False, case="other")


@pytest.mark.parametrize("operator", ["lt", "lte", "gt", "gte"])
def test_text_that_is_not_ordered_by_code_point_is_not_ordered_here(operator: str) -> None:
    columns = {"t": Column("t", "text", "text", collation=BY_LANGUAGE)}
    with pytest.raises(BadFilter) as refused:
        parse(f"t={operator}.a", columns)
    assert str(refused.value) == (
        f"t is ordered by the collation de-x-icu; {operator} needs one that orders by code point,"
        " as C does"
    )
    for text in ("t=eq.a", "t=neq.a", "t=in.(a)", "t=like.a%", "t=isdistinct.a", "t=match.^a+$"):
        parse(text, columns)


@pytest.mark.parametrize("text", ["t=ilike.a", "t=imatch.a"])
def test_letters_of_an_unknown_kind_are_not_folded(text: str) -> None:
    with pytest.raises(BadFilter, match="nothing is known here of how its collation de-x-icu"):
        parse(text, {"t": Column("t", "text", "text", collation=BY_LANGUAGE)})


@pytest.mark.parametrize("text", ["t=match.\\d", "t=match.[[:digit:]]", "t=match.\\w"])
def test_classes_of_an_unknown_collation_are_refused(text: str) -> None:
    with pytest.raises(BadFilter, match="depends on the column's collation"):
        parse(text, {"t": Column("t", "text", "text", collation=BY_LANGUAGE)})


@pytest.mark.parametrize("text", ["t=eq.a", "t=in.(a)", "t=like.a", "t=lt.a", "t=isdistinct.a"])
def test_where_different_texts_are_equal_only_is_can_be_used(text: str) -> None:
    columns = {"t": Column("t", "text", "text", collation=CASELESS)}
    with pytest.raises(BadFilter, match="calls texts equal that differ"):
        parse(text, columns)
    assert parse("t=is.null", columns).matches({"t": None})
