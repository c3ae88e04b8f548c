"""Provider calls and detection delay in simulated time: ours beside "each every 3 s" and "60 s".

`python -m bench.looking [numbers]`: deterministic, no clock, no socket, no database. What decides
is the poller's own code (schedule, watchlist, planning, watching, courses) and the simulator's own
answers, through the parser; only the waiting is left out. An answer takes 0.1 s.
"""

import argparse
import heapq
import itertools
import random
import statistics
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from bench import report
from poller import simulated_api, watching
from poller.accounts import Account
from poller.courses import course_for
from poller.planning import Plan
from poller.providers import handler_api
from poller.providers.answers import ActiveList
from poller.providers.wire import Reply
from poller.script import Behaviour, Script
from poller.simulated import SimulatedProvider
from poller.steps import Answer, Cancel, Check, Heard, Question
from poller.watchlist import Watchlist
from poller.work import Outcome, Row, SmsArrived

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTES_S = 1200.0
ANSWER_S = 0.1
NEVER = 0.1  # of the numbers get no SMS
BOUGHT_WITHIN_S = 60.0
ACCOUNT = Account("bench", "sms-activate", "http://provider.example", "a-key", cancel_after_s=0)
HEAD = (
    "what",
    "provider calls",
    "of each every 3 s",
    "codes",
    "mean delay s",
    "p99 s",
    "longest s",
)


@dataclass(frozen=True)
class Found:
    """How often the provider was asked, and how late each code was seen."""

    calls: int
    delays_s: list[float]
    longest_gap_s: float = 0.0


@dataclass
class World:
    """The provider and the rows, as they are at `now_s` seconds after the beginning."""

    provider: SimulatedProvider
    rows: dict[UUID, Row]
    arrives_s: Mapping[UUID, float]
    calls: Counter[str] = field(default_factory=Counter)

    def ask(self, params: Mapping[str, str], now_s: float) -> Reply:
        """One question, in the words of the wire."""
        self.calls[params["action"]] += 1
        return Reply(200, simulated_api.answer(self.provider, params, at(now_s)).body.encode())


def at(now_s: float) -> datetime:
    return BEGIN + timedelta(seconds=now_s)


def world(count: int, seed: int) -> World:
    """`count` numbers bought within the first minute; most SMS come soon, some late, some never."""
    chance = random.Random(seed)
    provider = SimulatedProvider(chance, first_id=1)
    rows, arrives_s = {}, {}
    bought = sorted(chance.uniform(0, BOUGHT_WITHIN_S) for _ in range(count))
    for number, bought_s in enumerate(bought):
        never = chance.random() < NEVER
        delay_s = min(
            chance.lognormvariate(3.4, 1.3), 1100.0
        )  # half within 30 s, a tenth after 160
        provider.script(Script(times=1, behaviour=Behaviour(delay_s=delay_s, never=never)))
        sold = provider.buy("wa", "6", None, Decimal(10), at(bought_s))
        row = _row(UUID(int=number + 1), sold.id, bought_s)
        rows[row.id] = row
        if not never:
            arrives_s[row.id] = bought_s + delay_s
    return World(provider, rows, arrives_s)


def _row(id: UUID, order_id: str, bought_s: float) -> Row:
    return Row(
        id=id,
        status="pending",
        order_id=order_id,
        service_code="wa",
        country_code="6",
        operator=None,
        price=Decimal("0.50"),
        charged=False,
        created_at=at(bought_s),
        updated_at=at(bought_s),
        expires_at=at(bought_s + MINUTES_S),
    )


def each_every(interval_s: float, of: World) -> Found:
    """Every number by itself, from its purchase until its SMS or its end."""
    calls, delays_s = 0, []
    for id, row in of.rows.items():
        bought_s = (row.created_at - BEGIN).total_seconds()
        for now_s in itertools.count(bought_s + interval_s, interval_s):
            if now_s >= bought_s + MINUTES_S:
                break
            calls += 1
            if of.arrives_s.get(id, float("inf")) <= now_s:
                delays_s.append(now_s + ANSWER_S - of.arrives_s[id])
                break
    return Found(calls, delays_s, interval_s)


class Ours:
    """The worker's loop without its waiting: what is due is planned, asked and written down."""

    def __init__(self, of: World) -> None:
        self._world = of
        self._watchlist = Watchlist()
        self._due = [((row.created_at - BEGIN).total_seconds(), id) for id, row in of.rows.items()]
        heapq.heapify(self._due)
        self._next_s = {id: due_s for due_s, id in self._due}
        self._looked_s = dict(self._next_s)
        self._delays_s: list[float] = []
        self._longest_gap_s = 0.0

    def run(self) -> Found:
        """From the beginning until every number is over."""
        now_s = 0.0
        while self._next_s and now_s < MINUTES_S + 2 * BOUGHT_WITHIN_S:
            rows = [self._world.rows[id] for id in self._due_now(now_s)]
            plan = self._watchlist.plan(rows, at(now_s), now_s)
            self._follow(plan, now_s)
            held = {row.id for row in plan.held}
            now_s += max(
                self._watchlist.wait_s(plan, self._until_s(now_s, held), at(now_s), now_s), 0.01
            )
        calls = sum(self._world.calls.values())
        return Found(calls, self._delays_s, self._longest_gap_s)

    def _due_now(self, now_s: float) -> list[UUID]:
        return [id for id, due_s in self._next_s.items() if due_s <= now_s]

    def _until_s(self, now_s: float, held: set[UUID]) -> float | None:
        waits = [due_s - now_s for id, due_s in self._next_s.items() if id not in held]
        return max(min(waits), 0.0) if waits else None

    def _follow(self, plan: Plan, now_s: float) -> None:
        alone = list(plan.alone)
        if plan.lists:
            self._watchlist.list_begins(now_s)
            active = handler_api.active(
                self._world.ask({"action": "getActiveActivations"}, now_s), ACCOUNT.speaks
            )
            self._watchlist.list_ends()
            assert isinstance(active, ActiveList)
            alone += self._read(active, plan, now_s)
        for row in alone:
            self._watchlist.forget(row)
            self._write(self._course(row, now_s), now_s)

    def _read(self, active: ActiveList, plan: Plan, now_s: float) -> list[Row]:
        settled = watching.settle(plan.together, active, at(now_s + ANSWER_S))
        for outcome in settled.outcomes:
            self._write(outcome, now_s)
        for row in settled.waiting:
            self._watchlist.watch(row, now_s)
        listed = {entry.order_id: entry for entry in active.rows}
        for id in list(self._next_s):
            row = self._world.rows[id]
            if row.order_id in listed:
                self._looked(id, now_s)
                self._write(watching.news(row, listed, at(now_s + ANSWER_S)), now_s)
        return list(settled.open_rows)

    def _course(self, row: Row, now_s: float) -> Outcome:
        course = course_for(row, ACCOUNT, at(now_s))
        if isinstance(course, Outcome):
            return course
        question = next(course)
        while True:
            try:
                question = course.send(Heard(self._answer(question, now_s), at(now_s + ANSWER_S)))
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome

    def _answer(self, question: Question, now_s: float) -> Answer:
        match question:
            case Check(order_id):
                params = {"action": "getStatus", "id": order_id}
                return handler_api.status(self._world.ask(params, now_s))
            case Cancel(order_id):
                params = {"action": "setStatus", "id": order_id, "status": "8"}
                reply = self._world.ask(params, now_s)
                return handler_api.set_answer(reply, handler_api.SetStatus.CANCEL)
            case _:
                raise AssertionError(f"nobody asks {type(question).__name__} here")

    def _write(self, outcome: Outcome | None, now_s: float) -> None:
        if outcome is None or outcome.row.id not in self._next_s:
            return
        id = outcome.row.id
        self._looked(id, now_s)
        self._world.rows[id] = replace(outcome.row, attempts=outcome.row.attempts + 1)
        if any(isinstance(change, SmsArrived) for change in outcome.changes):
            self._delays_s.append(now_s + ANSWER_S - self._world.arrives_s[id])
        if outcome.changes or outcome.look_at is None:
            del self._next_s[id]
            self._watchlist.forget(outcome.row)
        else:
            self._next_s[id] = (outcome.look_at - BEGIN).total_seconds()

    def _looked(self, id: UUID, now_s: float) -> None:
        self._longest_gap_s = max(self._longest_gap_s, now_s - self._looked_s[id])
        self._looked_s[id] = now_s


def compare(count: int, seed: int) -> dict[str, Found]:
    """The three ways, on the same numbers."""
    return {
        "ours": Ours(world(count, seed)).run(),
        "each every 3 s": each_every(3, world(count, seed)),
        "each every 60 s": each_every(60, world(count, seed)),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.looking", description=__doc__)
    parser.add_argument("numbers", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    report.title(f"Looking for {chosen.numbers} codes over 20 simulated minutes, one batch account")
    found = compare(chosen.numbers, chosen.seed)
    most = found["each every 3 s"].calls
    report.table(HEAD, [_shown(name, each, most) for name, each in found.items()])
    print(f"longest that a live number was not looked at: {found['ours'].longest_gap_s:.1f} s")
    return 0


def _shown(name: str, found: Found, most: int) -> list[str]:
    delays_s = sorted(found.delays_s)
    return [
        name,
        f"{found.calls:,}",
        f"{found.calls / most:.1%}",
        f"{len(delays_s):,}",
        f"{statistics.mean(delays_s):.2f}",
        f"{delays_s[int(len(delays_s) * 0.99)]:.2f}",
        f"{delays_s[-1]:.2f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
