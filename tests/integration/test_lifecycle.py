"""The life of an activation: which status may follow which, for whoever writes it."""

import psycopg
import pytest

from tests.db_helpers import ALICE, Connection, give_money, make_activation, value

STATUSES = (
    *("requested", "pending", "received", "completed"),
    *("cancelling", "cancelled", "timeout", "failed"),
)
ENDINGS = {"completed", "cancelled", "timeout", "failed"}
# How to come to a status, and what may follow it.
WAYS: dict[str, tuple[str, ...]] = {
    "requested": (),
    "pending": ("pending",),
    "received": ("pending", "received"),
    "cancelling": ("pending", "cancelling"),
    "completed": ("pending", "received", "completed"),
    "cancelled": ("pending", "cancelled"),
    "timeout": ("pending", "timeout"),
    "failed": ("failed",),
}
FOLLOWS = {
    "requested": {"pending", "failed"},
    "pending": {"received", "cancelling", "cancelled", "timeout", "failed"},
    "received": {"pending", "completed"},
    "cancelling": {"pending", "received", "cancelled", "timeout", "failed"},
}


@pytest.mark.parametrize("status", STATUSES)
async def test_what_may_follow_is_the_same_for_an_operator_s_update(
    db: Connection, status: str
) -> None:
    """Each of the 64 pairs, as `UPDATE ... SET status`; the money agrees after each."""
    await give_money(db, ALICE)
    for target in STATUSES:
        id = await make_activation(db, ALICE, price="0.50", status="requested")
        for step in WAYS[status]:
            await db.execute("update activations set status = %s where id = %s", (step, id))
        allowed = target == status or target in FOLLOWS.get(status, set())
        update = "update activations set status = %s where id = %s"
        if allowed:
            await db.execute(update, (target, id))
        else:
            with pytest.raises(psycopg.Error, match="cannot") as refused:
                await db.execute(update, (target, id))
            assert refused.value.sqlstate == "SN409"
            assert refused.value.diag.message_hint, "what to do instead"
        assert await value(db, "select count(*) from sonnette.money_differences") == 0
        live = await value(db, "select status from activations where id = %s", id) not in ENDINGS
        has_work = await value(
            db, "select count(*) from sonnette.work where activation_id = %s", id
        )
        assert has_work == live, "what lives is looked at, and nothing else"
        await db.execute("delete from activations where id = %s", (id,))
