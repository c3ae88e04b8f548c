"""The benchmark's arithmetic and framing: a wrong figure is worse than none."""

import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import wire
from bench.figures import delays, median_of, percentile, slope, spread
from bench.followers import Follower
from bench.looking import compare
from bench.messages import Arrivals, Write, queries, user_id, user_of
from bench.speech import Refused, bare, gateway
from bench.writer import plan


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1, 100), (0, 1)])
def test_percentiles_are_by_nearest_rank(share: float, value: float) -> None:
    assert percentile(list(range(1, 101)), share) == value


def test_of_nothing_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_delays_run_from_commit_to_arrival_and_count_what_is_wrong() -> None:
    committed_ns = {1: 1_000_000, 2: 2_000_000, 3: 3_000_000, 4: 4_000_000}
    arrivals = Arrivals([2, 1, 2, 3], [2_500_000, 2_000_000, 9_000_000, 5_000_000], died=0)
    found = delays(committed_ns, arrivals)
    assert (found.p50_ms, found.p95_ms) == (1.0, 2.0)
    assert (found.changes, found.lost, found.doubled) == (4, 1, 1)


def test_the_median_is_over_rounds_and_faults_add_up() -> None:
    rounds = [delays({1: 0}, Arrivals([1], [ms * 1_000_000], 0)) for ms in (1, 9, 2)]
    rounds[0] = delays({1: 0, 2: 0}, Arrivals([1], [1_000_000], 0))
    found = median_of(rounds)
    assert (found.p50_ms, found.changes, found.lost) == (2.0, 4, 1)


def test_a_spread_names_both_ends() -> None:
    assert spread([2, 1.234, 3]) == "1.23 to 3.00"


@given(st.binary(max_size=300), st.integers(1, 7))
def test_a_servers_frames_come_out_however_they_are_cut(payload: bytes, step: int) -> None:
    head = bytes([0x81, len(payload)]) if len(payload) < 126 else b"\x81\x7e"
    if len(payload) >= 126:
        head += len(payload).to_bytes(2)
    stream = (head + payload) * 2
    frames = wire.Frames()
    found = [f for i in range(0, len(stream), step) for f in frames.feed(stream[i : i + step])]
    assert found == [(wire.TEXT, payload)] * 2


@pytest.mark.parametrize(("size", "head"), [(5, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)])
def test_a_clients_frame_is_masked_and_as_long_as_its_size_needs(size: int, head: int) -> None:
    made = wire.frame(wire.TEXT, b"x" * size)
    assert len(made) == head + size
    assert made[1] & 0x80


def test_the_mark_of_a_change_is_the_new_rows() -> None:
    text = b'[null,null,"t","postgres_changes",{"data":{"record":{"operator":"b12"},'
    text += b'"old_record":{"operator":"b99"}}}]'
    assert gateway("", 1).mark(text) == 12
    assert gateway("", 1).mark(b'[null,"2","phoenix","phx_reply",{}]') is None
    assert bare("", 1).mark(b"b12") == 12
    assert bare("", 1).mark(b"ready") is None


def test_a_refused_join_is_an_error_and_not_a_wait() -> None:
    joined = gateway("", 1).joined
    assert not joined(b'["1","1","t","phx_reply",{"status":"ok","response":{}}]')
    assert joined(b'["1",null,"t","system",{"status":"ok"}]')
    with pytest.raises(Refused):
        joined(b'["1","1","t","phx_reply",{"status":"error","response":{"reason":"no"}}]')


def test_a_writer_spreads_its_changes_over_its_own_users_in_batches() -> None:
    command = Write("watched_many", 7, 6, 3, first_user=10, users=5, start_ns=100, per_s=3e9)
    turns = list(plan(command))
    assert [due_ns for due_ns, _, _ in turns] == [100, 101]
    assert [marks for _, _, marks in turns] == [["b7", "b8", "b9"], ["b10", "b11", "b12"]]
    assert {user for _, ids, _ in turns for user in ids} == {user_id(n) for n in range(10, 15)}
    assert user_of(5, 10, 5) == user_id(10)


def test_a_writer_without_a_rate_makes_no_pause() -> None:
    command = Write("plain_one", 1, 2, 1, first_user=0, users=1, start_ns=0, per_s=0)
    assert list(plan(command)) == [(0, [user_id(0)], ["b1"]), (0, [user_id(0)], ["b2"])]


def test_every_statement_that_a_load_names_exists() -> None:
    for name in ("watched_one", "watched_many", "plain_one", "plain_many", "bare_one"):
        assert name in queries


def test_a_slope_is_by_least_squares_and_of_one_point_there_is_none() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(5, 1)]) == 0


def follower_told(*seqs: int) -> Follower:
    one = Follower(0, "the secret of a benchmark that is 32 bytes")
    one.begin = 2
    for seq in seqs:
        one.heard(b'{"feed_seq":%d,"feed_prev":%d}' % (seq, seq - 1), 0)
    return one


@pytest.mark.parametrize(
    ("seqs", "faults"),
    [
        ((3, 4, 5), (0, 0, 0)),
        ((3, 5), (1, 0, 0)),
        ((3, 4), (1, 0, 0)),
        ((3, 4, 4, 5), (0, 1, 0)),
        ((4, 3, 5), (0, 0, 1)),
    ],
)
def test_a_follower_is_compared_with_the_log(
    seqs: tuple[int, ...], faults: tuple[int, int, int]
) -> None:
    assert follower_told(*seqs).faults(last=5) == faults


def test_a_follower_is_back_once_it_has_all_that_there_was_at_its_join() -> None:
    one = follower_told(3)
    one.attempts, one._tried_ns = 2, 0
    system = {"feed_seq": 5, "epoch": "e", "extension": "postgres_changes"}
    one.heard(json.dumps([None, None, "t", "system", system]).encode(), 10**9)
    assert one.resumed is None
    one.heard(b'{"feed_seq":4,"feed_prev":3}', 2 * 10**9)
    assert one.resumed is None
    one.heard(b'{"feed_seq":5,"feed_prev":4}', 3 * 10**9)
    assert one.resumed == (3.0, 3 * 10**9)


def test_200_numbers_are_seen_sooner_than_by_asking_each_every_3_s_at_a_tenth_of_its_calls() -> (
    None
):
    found = compare(200, seed=1)
    ours, often = found["ours"], found["each every 3 s"]
    assert len(ours.delays_s) == len(often.delays_s) == len(found["each every 60 s"].delays_s)
    assert statistics.mean(ours.delays_s) <= statistics.mean(often.delays_s)
    assert ours.calls <= 0.1 * often.calls
    assert ours.longest_gap_s <= 30
