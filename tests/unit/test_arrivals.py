"""Which reported SMS are news, and that the same one has the same key wherever it was seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller import watching
from poller.arrivals import arrivals, unseen
from poller.providers.answers import ActiveList, ActiveRow, Sms
from poller.work import Row, SmsArrived

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ROW = Row(
    id=UUID(int=1),
    status="pending",
    order_id="9",
    service_code="wa",
    country_code="6",
    operator=None,
    price=Decimal("0.50"),
    charged=False,
    created_at=NOW,
    updated_at=NOW,
    expires_at=NOW + timedelta(minutes=20),
)
A, B, A_WITH_TEXT = Sms("111"), Sms("222"), Sms("111", "Your code is 111")
TEXT = Sms(None, "Welcome")


@pytest.mark.parametrize(
    ("reported", "known", "news"),
    [
        ([], [], []),
        ([A], [], [A]),
        ([A], [A], []),
        ([A], [A_WITH_TEXT], []),
        ([A_WITH_TEXT], [A], []),
        ([A, B], [A], [B]),
        ([B], [A], [B]),
        ([A], [A, B], []),
        ([B], [A, B], []),
        ([B, A], [A], [B]),
        ([A, A], [A], [A]),
        ([A, B, A], [A, B], [A]),
        ([TEXT], [], [TEXT]),
        ([TEXT], [TEXT], []),
        ([Sms("Welcome")], [TEXT], []),
        ([A], [TEXT], [A]),
    ],
)
def test_news_is_what_is_not_known(reported: list[Sms], known: list[Sms], news: list[Sms]) -> None:
    assert unseen(reported, known) == news


SMS = st.builds(Sms, st.sampled_from(["111", "222", "333"]))


@given(st.lists(SMS, max_size=5))
def test_a_report_that_is_repeated_has_no_news(reported: list[Sms]) -> None:
    assert unseen(reported, unseen(reported, [])) == []


def keys(row: Row, *reported: Sms) -> list[str]:
    return [arrival.dedupe_key for arrival in arrivals(row, reported, NOW)]


def test_the_list_and_the_status_give_the_same_sms_the_same_key() -> None:
    assert keys(ROW, A) == keys(ROW, A_WITH_TEXT)
    assert keys(ROW, TEXT) == keys(ROW, Sms("Welcome"))


def test_the_next_sms_has_another_key_even_with_the_same_code() -> None:
    again = replace(ROW, known=(A,))
    first, second = keys(ROW, A, A)
    assert [second] == keys(again, A, A)
    assert first != second


def test_another_order_s_same_code_has_another_key() -> None:
    assert keys(ROW, A) != keys(replace(ROW, order_id="10"), A)


def test_no_key_tells_a_code() -> None:
    assert "111" not in keys(ROW, A)[0]


def entry(*sms: Sms, order_id: str = "9", alive: bool = True) -> ActiveRow:
    return ActiveRow(order_id, "6281234567", "wa", "6", sms, alive)


def test_a_listed_number_is_settled_with_or_without_its_sms() -> None:
    waiting = watching.settle([ROW], ActiveList((entry(),)), NOW)
    assert waiting.open_rows == ()
    assert waiting.outcomes[0].changes == ()
    assert waiting.waiting == (ROW,)
    look_at = waiting.outcomes[0].look_at
    assert look_at is not None
    assert timedelta(seconds=20) < look_at - NOW < timedelta(seconds=30)
    arrived = watching.settle([ROW], ActiveList((entry(A_WITH_TEXT),)), NOW)
    (change,) = arrived.outcomes[0].changes
    assert isinstance(change, SmsArrived)
    assert change.sms == A_WITH_TEXT


@pytest.mark.parametrize(
    "listed", [(), (entry(A, order_id="10"),), (entry(alive=False),)], ids=["none", "other", "over"]
)
def test_a_number_that_is_not_listed_or_said_to_be_over_is_left_open(
    listed: tuple[ActiveRow, ...],
) -> None:
    settled = watching.settle([ROW], ActiveList(listed), NOW)
    assert settled == watching.Settled((), (ROW,), ())


def test_a_number_that_waits_for_another_is_left_open_unless_it_has_come() -> None:
    again = replace(ROW, charged=True, known=(A,))
    assert watching.settle([again], ActiveList((entry(A),)), NOW).open_rows == (again,)
    assert watching.settle([again], ActiveList((entry(A, B),)), NOW).open_rows == ()


def test_a_second_sms_on_a_received_number_is_news_and_the_first_is_not() -> None:
    received = replace(ROW, status="received", charged=True, known=(A,))
    assert watching.news(received, {"9": entry(A)}, NOW) is None
    assert watching.news(received, {}, NOW) is None
    outcome = watching.news(received, {"9": entry(A, B)}, NOW)
    assert outcome is not None
    assert [c.sms for c in outcome.changes if isinstance(c, SmsArrived)] == [B]
    assert outcome.look_at == received.expires_at
