"""Places for sockets: by user, by address, in all; who waits for one, and who gets it."""

import pytest

from gateway.joins import JoinRefused
from gateway.places import Most, Places
from tests.unit.gateway_parts import ALICE, BOB, places

HERE, THERE = "192.0.2.1", "192.0.2.2"


def test_a_user_has_so_many_places_and_another_has_their_own() -> None:
    all_places = places(per_user=2)
    first, second, third = (all_places.enter(None) for _ in range(3))
    first.take(ALICE)
    second.take(ALICE)
    with pytest.raises(JoinRefused) as refused:
        third.take(ALICE)
    assert refused.value.reason == (
        "ConnectionRateLimitReached: Too many sockets of this user; at most 2"
    )
    assert refused.value.why == "user sockets"
    third.take(BOB)
    first.leave()
    all_places.enter(None).take(ALICE)


def test_a_socket_is_counted_once_however_often_it_joins() -> None:
    all_places = places(per_user=1, per_address=1, total=1)
    place = all_places.enter(HERE)
    for _ in range(3):
        place.take(ALICE)
    place.leave()
    all_places.enter(HERE).take(ALICE)


def test_a_socket_may_be_of_several_users_and_is_one_of_each() -> None:
    all_places = places(per_user=1)
    shared = all_places.enter(None)
    shared.take(ALICE)
    shared.take(BOB)
    for user in (ALICE, BOB):
        with pytest.raises(JoinRefused):
            all_places.enter(None).take(user)
    shared.leave()
    all_places.enter(None).take(BOB)


def test_service_role_is_nobodys_socket_and_has_a_place_all_the_same() -> None:
    all_places = places(total=1)
    all_places.enter(None).take(None)
    with pytest.raises(JoinRefused) as refused:
        all_places.enter(None).take(None)
    assert refused.value.reason == "ConnectionRateLimitReached: Too many connected users"
    assert refused.value.why == "sockets"


def test_an_address_has_so_many_and_an_unknown_one_is_not_counted() -> None:
    all_places = places(per_address=1)
    all_places.enter(HERE).take(ALICE)
    with pytest.raises(JoinRefused) as refused:
        all_places.enter(HERE).take(BOB)
    assert refused.value.reason == (
        "ConnectionRateLimitReached: Too many sockets from this address; at most 1"
    )
    assert refused.value.why == "address sockets"
    all_places.enter(THERE).take(BOB)
    for _ in range(3):
        all_places.enter(None).take(BOB)


def test_a_refused_join_takes_nothing() -> None:
    all_places = places(per_user=1, per_address=1)
    first = all_places.enter(HERE)
    first.take(ALICE)
    with pytest.raises(JoinRefused):
        all_places.enter(THERE).take(ALICE)
    all_places.enter(THERE).take(BOB)


def test_twice_as_many_may_be_open_and_wait() -> None:
    all_places = places(per_address=1, total=2)
    assert all_places.full_for(HERE) is None
    waiting = [all_places.enter(HERE) for _ in range(2)]
    assert all_places.full_for(HERE) == "address sockets"
    assert all_places.full_for(THERE) is None
    assert all_places.full_for(None) is None
    waiting += [all_places.enter(THERE) for _ in range(2)]
    assert all_places.full_for(None) == "sockets"
    for place in waiting:
        place.leave()
    assert all_places.full_for(HERE) is None
    assert all_places.open == 0


def test_no_more_are_opened_than_there_are_files_for() -> None:
    all_places = Places(Most(per_user=1, per_address=1, total=100, most_open=1))
    all_places.enter(None)
    assert all_places.full_for(None) == "sockets"
