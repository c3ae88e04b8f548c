"""Many bindings on one feed: each is sent just what it asked for, whatever the others ask.

A model says what each binding must get, from its own words alone; the hub serves all at once, in
pages, with joins in between and several channels.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.channel import TOPIC_PREFIX
from gateway.hub import Hub
from tests.unit.gateway_parts import ALICE, Client, Feeds, Frame, activations, hub_of, turn

STATUSES = ("pending", "received")
FILTERS = [None, *[f"status={op}{one}" for one in STATUSES for op in ("eq.", "not.eq.")]]
WHOLE = frozenset({"id", "user_id", "status"})


@dataclass
class Expected:
    """What one binding must have got: (feed_seq, feed_prev, columns), in order."""

    asked: Frame
    sent: int
    got: list[tuple[int, int, frozenset[str]]] = field(default_factory=list)

    def see(self, seq: int, op: str, status: str) -> None:
        """One change of the feed, behind this binding's cursor."""
        filter_ = self.asked.get("filter")
        negated = filter_ is not None and "not." in filter_
        filtered = filter_ is None or (filter_.endswith(status) is not negated)
        if self.asked["event"] in ("*", op) and filtered:
            select = self.asked.get("select")
            columns = WHOLE if select is None else frozenset({"id", *select})
            self.got.append((seq, self.sent, columns))
            self.sent = seq


bindings = st.builds(
    lambda event, filter_, select, since: {
        **activations(event),
        **({"filter": filter_} if filter_ else {}),
        **({"select": select} if select else {}),
        **({"since": since} if since is not None else {}),
    },
    st.sampled_from(["*", "INSERT", "UPDATE", "DELETE"]),
    st.sampled_from(FILTERS),
    st.sampled_from([None, ["status"], ["user_id"], ["id"]]),
    st.none() | st.integers(0, 3),
)
changes = st.lists(
    st.tuples(st.sampled_from(["INSERT", "UPDATE", "DELETE"]), st.sampled_from(STATUSES)),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(
    before=changes.filter(lambda some: len(some) >= 3),
    channels=st.lists(st.lists(bindings, min_size=1, max_size=4), min_size=1, max_size=3),
    between=st.lists(changes, min_size=3, max_size=3),
    most=st.integers(1, 4),
    full_after=st.integers(1, 3) | st.none(),
)
def test_each_binding_gets_just_its_own_with_its_own_feed_prev(
    before: list[tuple[str, str]],
    channels: list[list[Frame]],
    between: list[list[tuple[str, str]]],
    most: int,
    full_after: int | None,
) -> None:
    feeds = Feeds()
    hub = hub_of(feeds)
    client = Client(hub)
    client.sent.full_after = full_after
    for op, status in before:
        feeds.add(op=op, status=status)
    expected: dict[int, Expected] = {}
    for number, asked in enumerate(channels):
        now = len(feeds.rows[ALICE])
        client.join(*asked, topic=f"{TOPIC_PREFIX}{number}")
        served(client, hub, feeds, most)
        for one in asked:
            started = Expected(one, one.get("since", now))
            expected[len(expected) + 1] = started
            for change in feeds.rows[ALICE][started.sent :]:
                started.see(change.seq, change.op, status_of(change.record or change.old))
        for op, status in between[number]:
            seq = feeds.add(op=op, status=status)
            for each in expected.values():
                each.see(seq, op, status)
        served(client, hub, feeds, most)
    assert received(client, expected) == {number: one.got for number, one in expected.items()}


def served(client: Client, hub: Hub, feeds: Feeds, most: int) -> None:
    """All that there is, to a client that becomes full again and again, and reads each time."""
    turn(hub, feeds, most)
    while client.sent.full:
        client.sent.read()
        client.session.drained()
        turn(hub, feeds, most)


def status_of(row: str | None) -> str:
    """The status in a logged row."""
    return str(json.loads(row or "{}")["status"])


def received(
    client: Client, expected: dict[int, Expected]
) -> dict[int, list[tuple[int, int, frozenset[str]]]]:
    """What came, by the id of the binding; each frame on the channel that its ids belong to."""
    found: dict[int, list[tuple[int, int, frozenset[str]]]] = {number: [] for number in expected}
    topics: dict[int, str] = {}
    for frame in client.take():
        if frame["event"] == "phx_reply":
            for one in frame["payload"]["response"]["postgres_changes"]:
                topics[one["id"]] = frame["topic"]
        if frame["event"] == "postgres_changes":
            note(frame, topics, found)
    return found


def note(
    frame: Frame, topics: dict[int, str], found: dict[int, list[tuple[int, int, frozenset[str]]]]
) -> None:
    """Put one change down under each of its ids."""
    data: dict[str, Any] = frame["payload"]["data"]
    row = dict(data["old_record"] if data["type"] == "DELETE" else data["record"])
    seq, prev = row.pop("feed_seq"), row.pop("feed_prev")
    for number in frame["payload"]["ids"]:
        assert topics[number] == frame["topic"]
        found[number].append((seq, prev, frozenset(row)))


def test_a_model_that_expects_too_much_is_caught() -> None:
    one = Expected(activations("INSERT", filter="status=eq.received"), 7)
    one.see(8, "INSERT", "pending")
    one.see(9, "UPDATE", "received")
    one.see(10, "INSERT", "received")
    assert one.got == [(10, 7, WHOLE)]
