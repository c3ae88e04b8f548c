"""What a listener knows of its own ears: every verdict, by the clock, without a socket."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.hearing import DEAF, POOLER, SILENT, USUAL, Hearing, State

ME = UUID(int=1)
OTHER = UUID(int=2)
SUSPECT_AFTER_S, ECHO_LIMIT_S = USUAL.suspect_after_s, USUAL.echo_limit_s


@pytest.fixture
def hearing() -> Hearing:
    """One that has just begun to hear."""
    return listening()


def listening() -> Hearing:
    made = Hearing(ME)
    made.connecting()
    made.opened(pooled=False)
    made.listening()
    return made


def test_it_begins_with_a_problem_and_hears_once_it_listens() -> None:
    made = Hearing(ME)
    assert (made.state, made.problem) == (State.BACKING_OFF, "not connected yet")
    made.connecting()
    assert made.state is State.CONNECTING
    made.opened(pooled=False)
    assert not made.unproved
    made.listening()
    assert (made.state, made.problem, made.connects) == (State.LISTENING, None, 1)


def test_an_echo_tells_how_long_it_took(hearing: Hearing) -> None:
    payload = hearing.canary(10)
    assert payload == f"~{ME}:1"
    assert hearing.heard(payload, 10.25) == 0.25
    assert hearing.heard(payload, 11) is None, "once"
    assert not hearing.look(1000)


TOO_LONG = f"~{ME}:{'9' * 5000}"  # for Python's int(), and a NOTIFY carries it


@pytest.mark.parametrize(
    "payload", [f"~{OTHER}:1", "~", "~x:1", f"~{ME}:", f"~{ME}:x", f"~{ME}:9", TOO_LONG]
)
def test_what_is_no_echo_of_ours_proves_nothing(hearing: Hearing, payload: str) -> None:
    hearing.canary(0)
    assert hearing.heard(payload, 1) is None
    assert hearing.look(ECHO_LIMIT_S)


def test_a_late_echo_is_suspect_and_a_missing_one_is_deaf(hearing: Hearing) -> None:
    payload = hearing.canary(0)
    assert not hearing.look(SUSPECT_AFTER_S)
    assert (hearing.state, hearing.problem) == (State.SUSPECT, None)
    assert hearing.heard(payload, 2) == 2
    assert (hearing.state, hearing.problem) == (State.LISTENING, None)
    hearing.canary(3)
    hearing.answered()
    assert not hearing.look(3 + ECHO_LIMIT_S - 0.01)
    assert hearing.look(3 + ECHO_LIMIT_S)
    assert (hearing.state, hearing.problem, hearing.times_deaf) == (State.DEAF, DEAF, 1)
    assert not hearing.look(100), "found once"


def test_the_reason_of_a_cut_is_the_deafness_and_not_the_cut(hearing: Hearing) -> None:
    hearing.canary(0)
    hearing.answered()
    hearing.look(ECHO_LIMIT_S)
    assert not hearing.lost("the connection was closed"), "said already"
    assert (hearing.state, hearing.problem) == (State.BACKING_OFF, DEAF)
    hearing.connecting()
    assert hearing.lost("connection refused")
    assert hearing.problem == "connection refused"


def test_a_canary_sent_to_an_earlier_connection_is_not_waited_for(hearing: Hearing) -> None:
    hearing.canary(0)
    hearing.lost("closed")
    hearing.canary(1)  # nobody listens: nobody can hear it
    hearing.connecting()
    hearing.opened(pooled=False)
    hearing.listening()
    assert not hearing.look(1000)


def test_a_canary_that_was_refused_proves_nothing(hearing: Hearing) -> None:
    hearing.canary(0)
    hearing.unsent()
    assert not hearing.look(1000)


def test_a_canary_without_an_answer_says_nothing_of_the_listening_connection(
    hearing: Hearing,
) -> None:
    heard = hearing.canary(0)
    hearing.answered()
    hearing.heard(heard, 1)
    hearing.canary(3)
    assert hearing.look(3 + ECHO_LIMIT_S)
    assert (hearing.state, hearing.problem) == (State.DEAF, SILENT)


def test_an_answer_that_is_owed_elsewhere_ends_who_listens_and_nobody_else(
    hearing: Hearing,
) -> None:
    assert hearing.silent()
    assert (hearing.state, hearing.problem, hearing.times_deaf) == (State.DEAF, SILENT, 1)
    assert not hearing.silent(), "found once"
    hearing.lost("closed")
    hearing.connecting()
    assert not hearing.silent()


@pytest.mark.parametrize(("sent_s", "problem"), [(3, SILENT), (ECHO_LIMIT_S - 0.01, DEAF)])
def test_what_a_later_canary_says_of_the_first_one(
    hearing: Hearing, sent_s: float, problem: str
) -> None:
    """The line was lost between answer and echo, unless the later one was sent only just now."""
    hearing.canary(0)
    hearing.answered()
    hearing.canary(sent_s)
    assert hearing.look(ECHO_LIMIT_S)
    assert hearing.problem == problem


def test_a_later_echo_settles_the_earlier_ones(hearing: Hearing) -> None:
    hearing.canary(0)
    later = hearing.canary(3)
    assert hearing.heard(later, 3.5) == 0.5
    assert not hearing.look(1000)


def test_behind_a_pooler_only_an_echo_proves_that_it_hears() -> None:
    made = Hearing(ME)
    made.connecting()
    made.opened(pooled=True)
    assert made.unproved
    payload = made.canary(0)
    assert not made.look(1)
    assert made.state is State.CONNECTING
    assert made.heard(payload, 1) == 1
    made.listening()
    made.canary(3)
    made.answered()
    made.look(3 + ECHO_LIMIT_S)
    assert made.problem == DEAF, "it has heard: no pooler in transaction mode"


def test_a_pooler_that_never_lets_hear_is_named() -> None:
    made = Hearing(ME)
    made.connecting()
    made.opened(pooled=True)
    made.canary(0)
    made.answered()
    assert made.look(ECHO_LIMIT_S)
    made.lost("the connection was closed")
    made.connecting()
    assert made.problem == POOLER


@given(st.lists(st.tuples(st.sampled_from(["send", "hear", "look"]), st.floats(0, 4))))
def test_who_hears_each_canary_in_time_is_never_deaf(steps: list[tuple[str, float]]) -> None:
    """And who has been silent for the limit always is, whatever came before."""
    made, now_s, waiting = listening(), 0.0, dict[str, float]()
    for what, later_s in steps:
        now_s += later_s
        due = [payload for payload, sent_s in waiting.items() if now_s - sent_s >= ECHO_LIMIT_S]
        if due:
            assert made.look(now_s)
            return
        if what == "send":
            waiting[made.canary(now_s)] = now_s
        elif what == "hear" and waiting:
            payload = max(waiting, key=lambda sent: int(sent.rpartition(":")[2]))
            assert made.heard(payload, now_s) is not None
            waiting.clear()
        else:
            assert not made.look(now_s)
