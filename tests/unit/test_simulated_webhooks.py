"""The simulator's webhooks: what is posted when, in whose manner, and again after a failure."""

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from poller.script import Behaviour, Script, ScriptError
from poller.simulated import Number, SimulatedProvider
from poller.simulated_accounts import Accounts
from poller.simulated_api import NO_LIMIT
from poller.simulated_chaos import Rates
from poller.simulated_webhooks import Order, Post, parse

BOUGHT_AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
URL = "http://127.0.0.1:1/webhooks/x"


def at(seconds: float) -> datetime:
    return BOUGHT_AT + timedelta(seconds=seconds)


class Sent:
    """One dialect's account with a webhook set, and what its outbox has."""

    def __init__(self, dialect: str = "sms-activate", behaviour: Behaviour | None = None) -> None:
        self.accounts = Accounts(SimulatedProvider(random.Random(1), first_id=1000))
        self.accounts.script(Script(behaviour=behaviour or Behaviour(code="358042")))
        self.outbox = self.accounts.outbox
        self.outbox.set(Order(URL, dialect))
        self.provider = self.accounts.of[dialect]

    def buy(self) -> Number:
        return self.provider.buy("go", "6", None, NO_LIMIT, BOUGHT_AT)

    def one(self, seconds: float) -> Post:
        (post,) = self.outbox.due(at(seconds))
        return post


@pytest.mark.parametrize("dialect", ["sms-activate", "smsbower"])
def test_the_body_has_the_six_documented_keys(dialect: str) -> None:
    sent = Sent(dialect)
    sent.buy()
    post = sent.one(3)
    assert post.url == URL
    assert json.loads(post.body) == {
        "activationId": 1000,
        "service": "go",
        "text": "Your code is 358042",
        "code": "358042",
        "country": 6,
        "receivedAt": "2026-01-01 12:00:03",
    }


def test_hero_s_body_has_more_and_tells_the_zone() -> None:
    sent = Sent("hero", Behaviour(text="Welcome"))
    sent.buy()
    post = sent.one(3)
    assert post.timeout_s == 3
    assert json.loads(post.body) == {
        "id": "10000",
        "activationId": "1000",
        "service": "go",
        "text": "Welcome",
        "code": None,
        "country": 6,
        "receivedAt": "2026-01-01T12:00:03+00:00",
        "phoneFrom": "Simulator",
    }


def test_it_is_posted_when_the_sms_arrives_and_once() -> None:
    sent = Sent()
    sent.buy()
    assert sent.outbox.next_at() == at(3)
    assert sent.outbox.due(at(2.9)) == []
    assert len(sent.outbox.due(at(3))) == 1
    assert sent.outbox.due(at(9)) == []
    assert sent.outbox.next_at() is None


def test_an_sms_by_hand_and_one_that_was_asked_for_are_posted_too() -> None:
    sent = Sent()
    number = sent.buy()
    sent.provider.deliver(number, "pin 4711 and more", None, at(1))
    assert json.loads(sent.one(1).body)["code"] == "4711"
    sent.one(3)
    sent.provider.ask_again(number, at(4))
    assert json.loads(sent.one(7).body)["activationId"] == 1000


def test_a_number_that_was_given_back_gets_no_post() -> None:
    sent = Sent()
    sent.provider.cancel(sent.buy(), at(1))
    assert sent.outbox.due(at(3)) == []


def test_an_account_without_a_webhook_posts_nothing() -> None:
    sent = Sent("hero")
    sent.accounts.of["sms-activate"].buy("go", "6", None, NO_LIMIT, BOUGHT_AT)
    assert sent.outbox.due(at(3)) == []
    sent.buy()
    sent.outbox.clear()
    assert sent.outbox.due(at(3)) == []


@pytest.mark.parametrize(
    ("dialect", "tries", "last_s"),
    [("sms-activate", 8, 4983), ("hero", 8, 178), ("smsbower", 3, 363)],
)
def test_it_is_tried_again_as_the_provider_promises(
    dialect: str, tries: int, last_s: float
) -> None:
    sent = Sent(dialect)
    sent.buy()
    times: list[datetime] = []
    while (due := sent.outbox.next_at()) is not None:
        (post,) = sent.outbox.due(due)
        times.append(due)
        sent.outbox.answered(post, None if len(times) % 2 else 503, due)
    assert len(times) == tries
    assert times[-1] == at(last_s)
    assert (sent.outbox.failed, sent.outbox.given_up) == (tries, 1)


def test_after_a_200_it_is_not_tried_again() -> None:
    sent = Sent()
    sent.buy()
    sent.outbox.answered(sent.one(3), 200, at(3))
    assert sent.outbox.next_at() is None
    assert sent.outbox.delivered == 1


def test_chaos_doubles_posts_and_tells_wrong_times() -> None:
    sent = Sent()
    sent.accounts.chaos(Rates(double=1, clock_offset_s=3600))
    sent.buy()
    both = sent.outbox.due(at(3))
    assert len(both) == 2
    assert both[0].body == both[1].body
    assert json.loads(both[0].body)["receivedAt"] == "2026-01-01 13:00:03"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{}", "missing required field `url`"),
        (b'{"url": "ftp://x"}', "url must begin with http"),
        (b'{"url": "http://x", "dialect": "tiger"}', "no other has webhooks"),
        (b'{"url": "http://x", "retries_s": [-1]}', "the webhook is wrong"),
        (b"\xff", "the webhook is wrong"),
    ],
)
def test_a_wrong_webhook_is_refused_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(ScriptError, match=sentence):
        parse(body)
