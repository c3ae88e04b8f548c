"""A join that nothing can be read for is answered before its client gives it up."""

from gateway.hub import Hub
from gateway.session import ANSWER_LIMIT_S, NO_ANSWER
from tests.unit.gateway_parts import NOW, Client, Feeds, activations, joined, turn

ASKED_S = NOW.timestamp()


def test_a_join_that_waits_too_long_is_refused_once(client: Client, hub: Hub) -> None:
    client.join(activations())
    client.session.expire(ASKED_S + ANSWER_LIMIT_S - 0.1)
    assert client.take() == []
    client.session.expire(ASKED_S + ANSWER_LIMIT_S)
    assert client.refusal() == NO_ANSWER
    client.session.expire(ASKED_S + ANSWER_LIMIT_S + 1)
    assert client.take() == []
    assert hub.users == 0


def test_a_read_that_comes_later_answers_it_no_more(client: Client, hub: Hub, feeds: Feeds) -> None:
    client.join(activations())
    client.session.expire(ASKED_S + ANSWER_LIMIT_S)
    client.take()
    turn(hub, feeds)
    assert client.take() == []


def test_one_that_the_relay_has_refused_is_not_refused_again(client: Client, hub: Hub) -> None:
    client.join(activations())
    hub.refuse_waiting(NO_ANSWER)
    client.take()
    client.session.expire(ASKED_S + ANSWER_LIMIT_S)
    assert client.take() == []


def test_one_that_is_answered_stays(client: Client, hub: Hub, feeds: Feeds) -> None:
    joined(client, hub, feeds)
    client.session.expire(ASKED_S + ANSWER_LIMIT_S)
    assert client.take() == []
    assert hub.users == 1


def test_a_channel_without_bindings_waits_for_nothing(client: Client) -> None:
    client.join()
    client.take()
    client.session.expire(ASKED_S + ANSWER_LIMIT_S)
    assert client.take() == []
    assert client.session.channels
