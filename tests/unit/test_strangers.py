"""Numbers in a provider's list that nobody here bought."""

from poller.providers.answers import ActiveList, ActiveRow
from poller.strangers import SAY_AGAIN_S, STRANGE_FOR_S, Strangers


def listed(*order_ids: str, alive: bool = True) -> ActiveList:
    return ActiveList(tuple(ActiveRow(id, "6281", "wa", "6", alive=alive) for id in order_ids))


def ids(found: object) -> list[str]:
    assert isinstance(found, list)
    return [entry.order_id for entry in found]


def test_a_number_is_strange_only_after_longer_than_a_purchase_takes() -> None:
    strangers = Strangers()
    assert ids(strangers.strange(listed("1", "2"), {"1"}, 100)) == []
    assert ids(strangers.strange(listed("1", "2"), set(), 100 + STRANGE_FOR_S - 1)) == []
    assert ids(strangers.strange(listed("1", "2"), set(), 100 + STRANGE_FOR_S)) == ["2"]


def test_it_is_said_once_a_minute() -> None:
    strangers, at_s = Strangers(), 100 + STRANGE_FOR_S
    strangers.strange(listed("2"), set(), 100)
    assert ids(strangers.strange(listed("2"), set(), at_s)) == ["2"]
    assert ids(strangers.strange(listed("2"), set(), at_s + 1)) == []
    assert ids(strangers.strange(listed("2"), set(), at_s + SAY_AGAIN_S)) == ["2"]


def test_one_that_turns_out_to_be_ours_is_none_and_is_not_asked_about_again() -> None:
    strangers = Strangers()
    assert strangers.unknown(listed("1", "2")) == ["1", "2"]
    strangers.strange(listed("1", "2"), {"1"}, 100)
    assert strangers.unknown(listed("1", "2", "3")) == ["2", "3"]
    strangers.strange(listed("1", "2"), {"2"}, 110)
    assert ids(strangers.strange(listed("1", "2"), set(), 1000)) == []


def test_what_is_over_is_nobody_s_concern() -> None:
    strangers = Strangers()
    assert strangers.unknown(listed("1", alive=False)) == []
    strangers.strange(listed("1", alive=False), set(), 100)
    assert ids(strangers.strange(listed("1", alive=False), set(), 1000)) == []


def test_one_that_was_away_for_a_list_begins_anew() -> None:
    strangers = Strangers()
    strangers.strange(listed("2"), set(), 100)
    strangers.strange(listed(), set(), 101)
    assert ids(strangers.strange(listed("2"), set(), 100 + STRANGE_FOR_S)) == []
