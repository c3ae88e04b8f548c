"""A change as clients get it: the log's own text, with the feed's two numbers set behind it."""

import json

import pytest

from db.feed import Change
from gateway import catalog
from gateway.filters import parse
from gateway.frames import ChangeFrame
from tests.columns import columns_of
from tests.unit.gateway_parts import ACTIVATIONS, WALLETS

CATALOG = catalog.build([ACTIVATIONS, WALLETS])
AT = "2026-01-01T12:00:00.123Z"
OLD = '{"id":1,"status":"pending","price":0.50}'
NEW = '{"id":1,"status":"received","price":0.50}'


def frame(op: str, record: str | None, old: str | None, table: str = "activations") -> ChangeFrame:
    return ChangeFrame(Change(42, AT, "public", table, op, record, old), CATALOG)


COLUMNS = (
    '[{"name":"id","type":"int8"},{"name":"user_id","type":"uuid"},{"name":"status","type":"text"},'
    '{"name":"sms_count","type":"int4"},{"name":"price","type":"numeric"}]'
)
HEAD = f'{{"schema":"public","table":"activations","commit_timestamp":"{AT}","type":'


def test_an_insert_has_the_new_row() -> None:
    assert frame("INSERT", NEW, None).data(41) == (
        f'{HEAD}"INSERT","columns":{COLUMNS},"record":{NEW[:-1]},"feed_seq":42,"feed_prev":41}},'
        '"errors":null}'
    )


def test_an_update_has_both_and_the_numbers_are_on_the_new_one() -> None:
    assert frame("UPDATE", NEW, OLD).data(41) == (
        f'{HEAD}"UPDATE","columns":{COLUMNS},"record":{NEW[:-1]},"feed_seq":42,"feed_prev":41}},'
        f'"old_record":{OLD},"errors":null}}'
    )


def test_a_delete_has_the_old_row_with_the_numbers() -> None:
    assert frame("DELETE", None, OLD).data(41) == (
        f'{HEAD}"DELETE","columns":{COLUMNS},"old_record":{OLD[:-1]},"feed_seq":42,"feed_prev":41}},'
        '"errors":null}'
    )


def test_who_was_sent_another_number_before_gets_it() -> None:
    one = frame("INSERT", NEW, None)
    prevs = [json.loads(one.data(prev))["record"]["feed_prev"] for prev in (41, 7, 41, 0)]
    assert prevs == [41, 7, 41, 0]


def test_a_table_that_is_no_longer_watched_has_no_columns() -> None:
    assert json.loads(frame("INSERT", NEW, None, table="gone").data(0))["columns"] == []


@pytest.mark.parametrize(
    ("op", "record", "old", "status"),
    [
        ("INSERT", NEW, None, "received"),
        ("UPDATE", NEW, OLD, "received"),
        ("DELETE", None, OLD, "pending"),
    ],
)
def test_filters_look_at_the_new_row_or_at_the_old_one_of_a_delete(
    op: str, record: str | None, old: str | None, status: str
) -> None:
    one = frame(op, record, old)
    columns = CATALOG.tables["public", "activations"].columns
    assert one.passes(None)
    assert one.passes(parse(f"status=eq.{status}", columns))
    assert not one.passes(parse(f"status=neq.{status}", columns))
    assert one.passes(parse("price=eq.0.5", columns))


def test_numbers_are_compared_exactly() -> None:
    columns = columns_of({"n": "numeric"})
    one = frame("INSERT", '{"n":12345678901234567890.000000000000000001}', None)
    assert one.passes(parse("n=eq.12345678901234567890.000000000000000001", columns))
    assert not one.passes(parse("n=eq.12345678901234567890", columns))
    whole = frame("INSERT", '{"n":123456789012345678901234567890}', None)
    assert whole.passes(parse("n=gt.123456789012345678901234567889", columns))


def test_what_looking_at_one_change_may_cost_is_shared_by_all_filters() -> None:
    columns = columns_of({"t": "text"})
    one = frame("INSERT", '{"t":"%s"}' % ("a" * 2000), None)
    hard = parse("t=match.b{250}c", columns)
    assert not one.passes(hard)
    assert [one.passes(hard) for _ in range(4)] == [False, False, True, True]
    assert one.passes(parse("t=not.match.b{250}c", columns))
    assert not one.passes(parse("t=eq.b", columns))


def test_a_whole_number_of_thousands_of_digits_harms_nobody() -> None:
    columns = columns_of({"n": "numeric", "t": "text", "ok": "bool"})
    one = frame("INSERT", '{"n":%s,"t":"a","ok":true,"doc":[1]}' % ("1" * 5000), None)
    assert one.passes(parse("n=gt.1,t=eq.a,ok=is.true", columns))
    assert not one.passes(parse("n=lt.1e300,t=eq.a", columns))


def test_a_row_too_deep_to_look_into_is_delivered_rather_than_lost() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    one = frame("INSERT", f'{{"id":1,"doc":{deep}}}', None)
    assert one.passes(parse("id=eq.2", columns_of({"id": "int8"})))
    assert f'"doc":{deep},"feed_seq":42' in one.data(0)
