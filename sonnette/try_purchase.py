"""`sonnette try-purchase`: one real purchase through a provider account, followed on its feed.

It is a row like any other, of a user of its own: the poller buys, and the money of that user is
what the trial costs. Promised: at the end, and on Ctrl-C, a number without an SMS is given back; a
second Ctrl-C leaves it, and says how to see to it.
"""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import FrameType

import psycopg
from psycopg.rows import TupleRow

from db.errors import DatabaseRefused, SonnetteError, translated
from db.queries import queries
from process.settings import Settings
from sonnette import database, trial
from sonnette.database import OPERATOR
from sonnette.home import Home
from sonnette.trial import Seen

LOOK_EVERY_S = 0.5
MOST = 100


class NoTrial(SonnetteError):
    """The purchase is not made, or not followed any more; the sentence says why."""


def try_purchase(
    settings: Settings,
    *,
    account: str,
    service: str,
    country: str,
    max_price: Decimal,
    wait: timedelta,
) -> int:
    """Buy, print what happens, and leave nothing open. 0 where an SMS came, else 1."""
    dsn = database.find(settings, Home(settings.home)).dsn(OPERATOR)
    wanted = {"account": account, "service_code": service, "country_code": country}
    with database.connection(dsn, "try-purchase") as opened, _asked_to_stop() as stops:
        price = _price(opened, wanted, max_price)
        following = Following(opened, stops, _begin(opened, wanted, price))
        try:
            found = following.to_its_end(wait)
        except SonnetteError as problem:
            raise NoTrial(f"{problem}; activation {following.id} goes on") from None
        if found.is_over and not found.charged:
            _settle(opened, "debit", price)
    print(trial.ending(found), flush=True)
    return 0 if found.charged else 1


class Following:
    """Follows one activation of the trial's user by its feed."""

    def __init__(
        self, opened: psycopg.Connection[TupleRow], stops: list[int], begun: tuple[str, int]
    ) -> None:
        self._opened = opened
        self._stops = stops
        self.id, self._after = begun
        self._found = Seen("requested", charged=False, cancel_after=None)
        self._received_at: datetime | None = None
        self._asked: tuple[str, Seen] | None = None
        self._told: set[str] = set()

    def to_its_end(self, wait: timedelta) -> Seen:
        """Print each change until the number is over, or its SMS is there and it is not closed."""
        began = datetime.now(UTC)
        while True:
            self._print_changes()
            now = datetime.now(UTC)
            stopping = bool(self._stops) or now >= began + wait
            if len(self._stops) > 1 and not self._found.is_over:
                raise NoTrial(f"left while it is {self._found.status}")
            step = trial.step(self._found, now, stopping=stopping, received_at=self._received_at)
            if step == "leave":
                return self._found
            if step != "watch":
                self._ask(step)
            self._say(now, began, stopping)
            time.sleep(LOOK_EVERY_S)

    def _print_changes(self) -> None:
        values = {"user_ids": [trial.USER], "after": [self._after], "most": MOST}
        with translated():
            rows = self._opened.execute(queries["feed_after"], values).fetchall()
        for _, _, seq, at, _, table, _, record, _ in rows:
            if seq is not None:
                self._after = int(seq)
                self._see(str(table), json.loads(record or "{}"), str(at))

    def _see(self, table: str, record: dict[str, object], at: str) -> None:
        key = {"activations": "id", "messages": "activation_id"}.get(table)
        if key is None or record.get(key) != self.id:
            return  # the wallet, or another trial
        print(trial.line(table, record, self._after, at), flush=True)
        if table == "activations":
            self._found = trial.seen(record)
        if self._found.charged and self._received_at is None:
            self._received_at = datetime.now(UTC)

    def _ask(self, kind: str) -> None:
        """Once for each state of the number: a refusal changes it."""
        if self._asked == (kind, self._found):
            return
        self._asked = (kind, self._found)
        values = {"user_id": trial.USER, "activation_id": self.id, "kind": kind}
        try:
            with translated():
                self._opened.execute(queries["ask"], values)
        except DatabaseRefused as refused:
            print(f"     {kind}: {refused}", flush=True)  # what it became shows on the feed

    def _say(self, now: datetime, began: datetime, stopping: bool) -> None:
        waits = stopping and self._found.status == "pending" and not self._found.charged
        if waits and (left_s := trial.wait_s(self._found, now)) > 0:
            self._tell(f"giving it back in {left_s:.0f} s, when the provider takes it")
        elif stopping and self._found.status == "requested":
            self._tell("waiting for the answer to the purchase; then it is given back")
        elif self._found.status == "requested" and now >= began + trial.SLOW_AFTER:
            self._tell("no answer yet: does a poller serve this account? `sonnette doctor` tells")

    def _tell(self, text: str) -> None:
        kind = text.split(" in ")[0]
        if kind not in self._told:
            self._told.add(kind)
            print(f"     {text}", flush=True)


def _price(
    opened: psycopg.Connection[TupleRow], wanted: dict[str, str], max_price: Decimal
) -> Decimal:
    """What the purchase costs now; NoTrial where it is not to be had for that."""
    with translated():
        row = opened.execute(queries["offer_of_account"], wanted).fetchone()
    what = f"{wanted['service_code']} in {wanted['country_code']}"
    if row is None:
        raise NoTrial(
            f"account {wanted['account']} offers no {what}: its price list is fetched by a poller "
            "that serves it, and stands in sonnette.offers"
        )
    price, stock = Decimal(row[0]), int(row[1])
    if stock == 0:
        raise NoTrial(f"account {wanted['account']} has no number for {what} now")
    if price > max_price:
        raise NoTrial(f"it costs {price} now, over --max-price {max_price}; nothing was bought")
    return price


def _begin(
    opened: psycopg.Connection[TupleRow], wanted: dict[str, str], price: Decimal
) -> tuple[str, int]:
    """Give the trial's user the money and buy; the activation, and where its feed was before."""
    values = {**wanted, "user_id": trial.USER, "name": trial.USER_NAME, "price": price}
    with translated(), opened.transaction():
        opened.execute(queries["user_created"], values)
        before = opened.execute(queries["feed_position"], values).fetchone()
        _settle(opened, "credit", price)
        row = opened.execute(queries["trial_begins"], values).fetchone()
    if row is None:
        raise NoTrial("the database made no activation; nothing was bought")
    return str(row[0]), int(before[0]) if before else 0


def _settle(opened: psycopg.Connection[TupleRow], kind: str, amount: Decimal) -> None:
    """The trial's user gets what a purchase costs, and gives back what none has cost."""
    values = {"user_id": trial.USER, "amount": amount, "reason": trial.REASON, "key": None}
    with translated():
        opened.execute(queries[kind], values)


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """Every SIGINT and SIGTERM so far."""
    stops: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        stops.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
