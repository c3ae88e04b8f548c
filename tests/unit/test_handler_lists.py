"""The list of all active numbers, in each envelope that providers use for it."""

import json

import pytest

from poller.providers import handler_api
from poller.providers.answers import ActiveList, ActiveRow, Sms, Unexpected
from poller.providers.dialects import DIALECTS
from poller.providers.wire import Reply

ROW = {
    "activationId": "635468021",
    "serviceCode": "wa",
    "phoneNumber": "79584123456",
    "activationCost": 12.5,
    "activationStatus": "4",
    "smsCode": ["358042"],
    "smsText": ["Your code is 358042"],
    "activationTime": "2022-06-01 16:59:16",
    "discount": "0",
    "repeated": "0",
    "countryCode": "2",
    "countryName": "Kazakhstan",
    "canGetAnotherSms": "1",
    "currency": 840,
}
READ = ActiveRow(
    "635468021", "79584123456", "wa", "2", (Sms("358042", "Your code is 358042"),), alive=True
)


def active(document: object) -> object:
    reply = Reply(200, json.dumps(document).encode())
    return handler_api.active(reply, DIALECTS["sms-activate"])


def sms_of(code: object, text: object) -> tuple[Sms, ...]:
    answer = active([{**ROW, "smsCode": code, "smsText": text}])
    assert isinstance(answer, ActiveList)
    return answer.rows[0].sms


@pytest.mark.parametrize(
    "envelope",
    [
        [ROW],
        {"status": "success", "activeActivations": [ROW]},
        {"status": "success", "data": [ROW]},
        {"activeActivations": {"affected_rows": 1, "num_rows": 1, "row": None, "rows": [ROW]}},
        {"data": [ROW], "activeActivations": {"rows": [{**ROW, "activationId": "1"}]}},
    ],
)
def test_every_envelope_in_use_gives_the_same_row(envelope: object) -> None:
    assert active(envelope) == ActiveList((READ,))


@pytest.mark.parametrize(
    "envelope", [[], {"data": []}, {"activeActivations": []}, {"activeActivations": {"rows": []}}]
)
def test_an_empty_list_is_a_list(envelope: object) -> None:
    assert active(envelope) == ActiveList(())


@pytest.mark.parametrize(
    "envelope",
    [{"status": "success"}, {"data": "none"}, {"activeActivations": {"rows": 7}}, {"data": [None]}],
)
def test_what_is_no_list_is_unexpected(envelope: object) -> None:
    assert active(envelope) == Unexpected("json")


@pytest.mark.parametrize("broken", [None, 7, "row", {}, {"activationId": ["1"]}])
def test_a_broken_row_does_not_hide_the_code_in_the_next(broken: object) -> None:
    assert active([broken, ROW]) == ActiveList((READ,), skipped=1)


@pytest.mark.parametrize(
    ("code", "text", "sms"),
    [
        (None, None, ()),
        ("", "", ()),
        ([], [], ()),
        ("111", None, (Sms("111"),)),
        (["111"], None, (Sms("111"),)),
        ("[111]", "[Your 111]", (Sms("111", "Your 111"),)),
        ('["111"]', None, (Sms("111"),)),
        (111, None, (Sms("111"),)),
        (["111", "222"], ["a", "b"], (Sms("111", "a"), Sms("222", "b"))),
        (["111", "222"], ["it is 222"], (Sms("111"), Sms("222", "it is 222"))),
        (["111", None], ["a", "b"], (Sms("111", "a"), Sms(None, "b"))),
        (None, ["only text"], (Sms(None, "only text"),)),
        (None, "[Bank] pin [1]", (Sms(None, "[Bank] pin [1]"),)),
        ("1\u00002", "half \ud83d of a pair", (Sms("12", "half ? of a pair"),)),
    ],
)
def test_codes_and_texts_in_every_form(code: object, text: object, sms: tuple[Sms, ...]) -> None:
    assert sms_of(code, text) == sms


@pytest.mark.parametrize("code", [True, {"code": "111"}, [["111"]], "9" * 5000])
def test_a_code_of_the_wrong_type_spoils_its_row_alone(code: object) -> None:
    assert active([{**ROW, "smsCode": code}, ROW]) == ActiveList((READ,), skipped=1)


@pytest.mark.parametrize(
    ("status", "alive"),
    [("4", True), (3, True), ("2", True), (None, True), ("6", False), (8, False), ("10", False)],
)
def test_a_row_may_say_that_its_number_is_over(status: object, alive: bool) -> None:
    answer = active([{**ROW, "activationStatus": status}])
    assert isinstance(answer, ActiveList)
    assert answer.rows[0].alive is alive
