"""Everything that a provider still knows of a number, from its several answers."""

import pytest

from poller.providers import handler_api
from poller.providers.answers import (
    AccountRefused,
    ActiveList,
    ActiveRow,
    AllSms,
    Cancelled,
    NoAnswer,
    NotKnown,
    Sms,
    Unexpected,
)
from poller.providers.reading import merged
from poller.providers.wire import Reply

FIRST, SECOND = Sms("111111", "Your code is 111111"), Sms("222222", "Your code is 222222")


def reply(body: str, http_status: int = 200) -> Reply:
    return Reply(http_status, body.encode())


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            '{"verificationType":0,"sms":{"dateTime":"2026-01-01 12:00:00","code":"111111",'
            '"text":"Your code is 111111"},"call":null}',
            AllSms((FIRST,)),
        ),
        ('{"verificationType":0,"sms":{"code":111111,"text":null}}', AllSms((Sms("111111"),))),
        ('{"sms":{"code":null,"text":"Hello"}}', AllSms((Sms(None, "Hello"),))),
        ('{"verificationType":0,"sms":null}', AllSms()),
        ('{"verificationType":0,"sms":{"code":null,"text":null}}', AllSms()),
        ('{"sms":null,"call":{"from":"7","code":"4321"}}', AllSms((Sms("4321"),))),
        ('{"sms":[]}', AllSms()),
        (
            '{"verificationType":"sms","data":{"id":"1","phoneFrom":"x","code":"111111",'
            '"text":"Your code is 111111","service":"wa","date":"2026-01-01","type":"sms"}}',
            AllSms((FIRST,)),
        ),
        ('{"verificationType":"sms","data":null}', AllSms()),
        ('{"verificationType":"sms","data":{"code":null,"text":null}}', AllSms()),
        (
            '{"data":[{"code":"222222","text":"Your code is 222222","date":"2026-01-02"},'
            '{"code":"111111","text":"Your code is 111111","date":"2026-01-01"}],"meta":{}}',
            AllSms((FIRST, SECOND)),
        ),
        ('{"data":[{"code":"222222"},{"code":"111111"}]}', AllSms((Sms("222222"), Sms("111111")))),
        ('{"data":[],"meta":{"total":0}}', AllSms()),
        ('{"data":[7]}', Unexpected("json")),
        ('{"verification":0}', Unexpected("json")),
        ("STATUS_CANCEL", Cancelled()),
        ("NO_ACTIVATION", NotKnown()),
        ("STATUS_WAIT_CODE", AllSms()),
        ("STATUS_WAIT_RETRY:111111", AllSms()),
        ("STATUS_OK:111111", AllSms((Sms("111111"),))),
        ("BAD_ACTION", AccountRefused("BAD_ACTION")),
        ("[]", Unexpected("json")),
        ('{"sms":7}', Unexpected("json")),
        ('{"sms":{"code":true}}', Unexpected("json")),
        ("<html>", Unexpected("html")),
    ],
)  # fmt: skip
def test_what_the_full_status_is_answered_with(body: str, answer: object) -> None:
    assert handler_api.all_sms(reply(body)) == answer


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("FULL_SMS:Your code: 111111", Sms(None, "Your code: 111111")),
        ("FULL_SMS:", None),
        ("STATUS_WAIT_CODE", None),
        ("NO_ACTIVATION", None),
        ("BAD_ACTION", AccountRefused("BAD_ACTION")),
        ("{}", Unexpected("json")),
    ],
)
def test_what_the_full_text_is_answered_with(body: str, answer: object) -> None:
    assert handler_api.full_sms(reply(body)) == answer


def listed(*sms: Sms, alive: bool = True) -> ActiveList:
    return ActiveList((ActiveRow("7", "628", "wa", "6", sms, alive),))


def test_the_list_has_all_and_the_status_the_text_of_the_newest() -> None:
    found = merged(AllSms((SECOND,)), listed(Sms("111111"), Sms("222222")), "7")
    assert found == AllSms((Sms("111111"), SECOND))


def test_what_only_the_status_has_is_the_newest() -> None:
    assert merged(AllSms((SECOND,)), listed(FIRST), "7") == AllSms((FIRST, SECOND))


def test_a_text_of_the_list_is_kept() -> None:
    assert merged(AllSms((Sms("111111"),)), listed(FIRST), "7") == AllSms((FIRST,))


def test_a_number_that_the_list_does_not_have_is_as_its_status_says() -> None:
    assert merged(AllSms((FIRST,)), listed(SECOND), "8") == AllSms((FIRST,), whole=False)
    assert merged(AllSms((FIRST,)), NoAnswer("timeout"), "8") == AllSms((FIRST,), whole=False)


def test_a_number_is_over_where_the_list_says_so() -> None:
    assert merged(AllSms((FIRST,)), listed(FIRST, alive=False), "7") == AllSms(
        (FIRST,), alive=False
    )
