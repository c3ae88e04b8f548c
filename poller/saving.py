"""Writing results: a batch in one transaction, and nothing lost that could not be written yet.

Promised to the worker: every outcome ends as saved or as held. Held ones are rows that somebody
else has locked; they are tried again without asking the provider again. One outcome that the
database refuses does not sink the others of its batch. What a function answered with "nothing
changed" is reported, never passed over.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

from db.backoff import Backoff
from db.errors import DatabaseFailed, DatabaseRefused, TryAgain
from poller.purchase import mistaken
from poller.session import Session, Transaction
from poller.work import (
    AnotherRefused,
    CancelRefused,
    Change,
    Ended,
    HintClosed,
    HintLater,
    NumberBought,
    Outcome,
    PurchaseFailed,
    SmsArrived,
    TextCompleted,
)

log = logging.getLogger(__name__)

TRIES = 5
AFTER_REFUSAL = timedelta(seconds=30)


@dataclass
class Saved:
    """What came of a batch: ids saved, ids held by others, and changes that changed nothing."""

    saved: set[UUID] = field(default_factory=set)
    held: set[UUID] = field(default_factory=set)
    missed: list[tuple[Outcome, Change]] = field(default_factory=list)
    refused: list[Outcome] = field(default_factory=list)

    def __iadd__(self, other: "Saved") -> "Saved":
        self.saved |= other.saved
        self.held |= other.held
        self.missed += other.missed
        self.refused += other.refused
        return self


async def save(session: Session, outcomes: Sequence[Outcome]) -> Saved:
    """Write the batch. DatabaseUnavailable where nothing can be written now."""
    try:
        return await _with_retries(session, outcomes)
    except (DatabaseRefused, DatabaseFailed) as error:
        if len(outcomes) == 1:
            return await _refused(session, outcomes[0], error)
    saved = Saved()
    for outcome in outcomes:
        saved += await save(session, [outcome])
    return saved


async def _with_retries(session: Session, outcomes: Sequence[Outcome]) -> Saved:
    backoff = Backoff(0.02, 1)
    for _ in range(TRIES):
        try:
            async with session.transaction() as transaction:
                return await _batch(transaction, outcomes)
        except TryAgain:
            await asyncio.sleep(backoff.next_s())
    # Still in somebody's way: as good as locked.
    return Saved(held={outcome.row.id for outcome in outcomes})


async def _batch(transaction: Transaction, outcomes: Sequence[Outcome]) -> Saved:
    ids = [outcome.row.id for outcome in outcomes]
    locked = {row[0] for row in await transaction.rows("batch_locked", ids=ids)}
    found = await transaction.rows("statuses", ids=list(locked))
    statuses = {row[0]: row[1] for row in found}
    saved = Saved(saved=locked, held=set(ids) - locked)
    looks: list[Outcome] = []
    for outcome in outcomes:
        if outcome.row.id in locked:
            is_fresh = statuses.get(outcome.row.id) == outcome.row.status
            saved.missed += await _write(transaction, outcome, is_fresh)
            looks += [outcome] if is_fresh and outcome.look_at is not None else []
    if looks:
        await _reschedule(transaction, looks)
    return saved


async def _write(
    transaction: Transaction, outcome: Outcome, is_fresh: bool
) -> list[tuple[Outcome, Change]]:
    """Write one outcome; the changes that changed nothing.

    Where the status is another one by now, only news is written: somebody's wish came in between,
    and the row stays due for it.
    """
    changes = outcome.changes if is_fresh else outcome.news
    done = [(change, await _change(transaction, outcome.row.id, change)) for change in changes]
    await _answer(transaction, outcome, is_fresh, _found(outcome, done))
    await _note_hints(transaction, outcome)
    return [(outcome, change) for change, said in done if not said]


async def _answer(
    transaction: Transaction, outcome: Outcome, is_fresh: bool, found: str | None
) -> None:
    """A recovery is answered whatever the status has become: what it found is written."""
    kinds = {request.id: request.kind for request in outcome.row.requests}
    for id, word in outcome.answered:
        recovery = kinds.get(id) == "recover"
        if is_fresh or recovery:
            facts = found if recovery else None
            await transaction.said("request_done", id=id, outcome=word, found=facts)


async def _note_hints(transaction: Transaction, outcome: Outcome) -> None:
    for hint in outcome.hints:
        match hint:
            case HintClosed(id, word):
                await transaction.said("hint_closed", id=id, outcome=word)
            case HintLater(id, at):
                await transaction.said("hint_later", id=id, at=at)
            case _:
                assert_never(hint)


def _found(outcome: Outcome, done: Sequence[tuple[Change, object]]) -> str | None:
    """What a recovery found, as the API tells it: how much, and never what."""
    if outcome.number is None:
        return None
    said = [answer for _, answer in done]
    completed = sum(bool(answer) for change, answer in done if isinstance(change, TextCompleted))
    return json.dumps(
        {
            "new_messages": said.count("delivered"),
            "completed_texts": completed,
            "late_messages": said.count("late"),
            "number": outcome.number,
        }
    )


async def _change(transaction: Transaction, id: UUID, change: Change) -> object:
    match change:
        case NumberBought():
            return await transaction.said("number_bought", id=id, **vars(change))
        case PurchaseFailed(failure):
            return await transaction.said("purchase_failed", id=id, failure=failure)
        case SmsArrived(sms, received_at, dedupe_key, source):
            return await transaction.said(
                "sms_arrived",
                id=id,
                code=sms.code,
                text=sms.text,
                received_at=received_at,
                source=source,
                dedupe_key=dedupe_key,
            )
        case TextCompleted():
            return await transaction.said("text_completed", **vars(change))
        case Ended(status, failure):
            return await transaction.said("end_activation", id=id, status=status, failure=failure)
        case CancelRefused(failure, cancel_after):
            return await transaction.said(
                "cancel_refused", id=id, failure=failure, cancel_after=cancel_after
            )
        case AnotherRefused(failure):
            return await transaction.said("another_refused", id=id, failure=failure)
        case _:
            assert_never(change)


async def _reschedule(transaction: Transaction, looks: Sequence[Outcome]) -> None:
    await transaction.rows(
        "reschedule",
        ids=[outcome.row.id for outcome in looks],
        at=[outcome.look_at for outcome in looks],
        errors=[outcome.error for outcome in looks],
    )


async def _refused(
    session: Session, outcome: Outcome, error: DatabaseRefused | DatabaseFailed
) -> Saved:
    """The database will not have it: leave the row as it is, and look again later."""
    log.error(
        "an outcome was refused by the database: %s",
        error,
        extra={"activation_id": str(outcome.row.id), "sqlstate": error.sqlstate},
    )
    later = _later(outcome, mistaken(outcome.row, f"not written: {error.sqlstate}"))
    saved = await _with_retries(session, [later])
    saved.refused.append(outcome)
    return saved


def _later(outcome: Outcome, error: str) -> Outcome:
    at = (outcome.look_at or datetime.now(outcome.row.created_at.tzinfo)) + AFTER_REFUSAL
    return replace(outcome, changes=(), look_at=at, error=error, answered=())
