"""A caller whose sockets are all brief waits longer each time, and nobody waits for another."""

from gateway.returns import (
    BRIEF_S,
    FIRST_WAIT_S,
    FORGOTTEN_AFTER_S,
    FREE,
    LONGEST_WAIT_S,
    Returns,
    caller,
)

ALICE = caller("192.0.2.1", "alice's key")
NEIGHBOUR = caller("192.0.2.1", "bob's key")


def hammered(times: int, now_s: float = 0) -> Returns:
    """What is remembered after so many brief sockets of alice's."""
    returns = Returns()
    for _ in range(times):
        returns.ended(ALICE, 0.01, False, now_s)
    return returns


def test_the_first_brief_sockets_are_free() -> None:
    assert hammered(0).wait_s(ALICE, 0) == 0
    assert hammered(FREE).wait_s(ALICE, 0) == 0


def test_each_further_one_waits_twice_as_long_up_to_a_limit() -> None:
    waits = [hammered(FREE + more).wait_s(ALICE, 0) for more in range(1, 5)]
    assert waits == [FIRST_WAIT_S, FIRST_WAIT_S * 2, FIRST_WAIT_S * 4, FIRST_WAIT_S * 8]
    assert hammered(10_000).wait_s(ALICE, 0) == LONGEST_WAIT_S


def test_a_socket_of_use_clears_the_record() -> None:
    returns = hammered(FREE + 3)
    returns.ended(ALICE, BRIEF_S, False, 0)
    assert returns.wait_s(ALICE, 0) == 0
    assert len(returns) == 0


def test_a_socket_that_the_client_closes_clears_the_record() -> None:
    returns = hammered(FREE + 3)
    returns.ended(ALICE, 0.01, True, 0)
    assert returns.wait_s(ALICE, 0) == 0


def test_who_stays_away_is_forgiven() -> None:
    returns = hammered(FREE + 3)
    assert returns.wait_s(ALICE, FORGOTTEN_AFTER_S - 0.1) > 0
    assert returns.wait_s(ALICE, FORGOTTEN_AFTER_S) == 0
    returns.ended(ALICE, 0.01, False, FORGOTTEN_AFTER_S)
    assert returns.wait_s(ALICE, FORGOTTEN_AFTER_S) == 0, "it begins anew"


def test_another_user_behind_the_same_address_does_not_wait() -> None:
    assert hammered(FREE + 9).wait_s(NEIGHBOUR, 0) == 0


def test_the_same_key_from_another_address_does_not_wait() -> None:
    elsewhere = caller("192.0.2.2", "alice's key")
    assert hammered(FREE + 9).wait_s(elsewhere, 0) == 0


def test_memory_is_bounded_and_the_longest_away_are_forgotten_first() -> None:
    returns = Returns(max_callers=100)
    callers = [caller(f"198.51.100.{number}", None) for number in range(200)]
    for one in callers:
        for _ in range(FREE + 1):
            returns.ended(one, 0.01, False, 0)
    assert len(returns) == 100
    assert returns.wait_s(callers[99], 0) == 0
    assert returns.wait_s(callers[100], 0) > 0


def test_an_address_that_is_not_known_is_one_caller() -> None:
    assert caller(None, None) == caller("", None)
