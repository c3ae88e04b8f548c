"""What doctor shows of sonnette.processes: who lives, and who is missed."""

from dataclasses import replace

import pytest

from sonnette.census import FORGOTTEN_AFTER_S, LOST_AFTER_S, Seen, census, duration

WELL = Seen("gateway", "one", 7, "0.1.0", 200, 1, False, [], {"sockets": 3})


def said(*rows: Seen) -> list[str]:
    return [str(finding) for finding in census(rows)]


def test_who_lives_is_shown_with_figures() -> None:
    line = "ok      gateway 7 on one: version 0.1.0, up 3 min, 3 sockets"
    assert said(WELL) == [line]


def test_who_lives_badly_says_why() -> None:
    ill = replace(WELL, problems=["not listening: x", "y"], facts={})
    assert said(ill) == ["FAILED  gateway 7 on one: version 0.1.0, up 3 min; not listening: x; y"]


def test_who_stopped_in_order_is_not_missed() -> None:
    assert said(replace(WELL, stopped=True, unseen_s=60)) == []


def test_who_fell_silent_is_missed_until_it_is_replaced() -> None:
    silent = replace(WELL, pid=6, unseen_s=LOST_AFTER_S + 5)
    assert said(silent) == [
        "FAILED  gateway 6 on one: not seen for 15 s: killed, or without its database"
    ]
    assert len(said(silent, replace(WELL, host="two"))) == 2
    assert len(said(silent, replace(WELL, kind="poller"))) == 2
    assert len(said(silent, WELL)) == 1
    assert said(replace(silent, unseen_s=FORGOTTEN_AFTER_S)) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (1e6, "11 d")]
)
def test_durations_are_rounded_down(seconds: float, text: str) -> None:
    assert duration(seconds) == text
