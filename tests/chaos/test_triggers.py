"""Fault 25: what would lose changes without an error, and what only looks as if it would."""

from uuid import UUID

import psycopg
import pytest

from tests.chaos.looking import changes, complains, is_well, served
from tests.chaos.world import World
from tests.db_helpers import Connection, value
from tests.facts import eventually
from tests.gateway_process import token
from tests.integration.gateway_wire import wire

NAMED_LIMIT_S = 15  # they look each 3 s
CRATES = """
    create table crates (id int primary key, user_id uuid,
        cargo_id int references cargo on delete cascade on update cascade)
"""
DOCTOR = "select finding from ops.doctor() where what = 'triggers' and not well"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            "alter table cargo disable trigger sonnette_log_update",
            "the trigger sonnette_log_update on public.cargo is not ENABLE ALWAYS",
        ),
        (
            "drop trigger sonnette_log_insert on cargo",
            "public.cargo has lost its trigger sonnette_log_insert",
        ),
        (
            "alter table sonnette.changes disable trigger sonnette_number",
            "the trigger sonnette_number on changes is not ENABLE ALWAYS",
        ),
    ],
    ids=["disabled", "dropped", "numbering"],
)
async def test_fault_25_trigger_off(world: World, damage: str, sentence: str) -> None:
    """/readyz, the log and ops.doctor name it, until it is mended; then all goes on."""
    alice = await world.user()
    await world.client(alice)
    gateway = world.gateways[0]
    async with await world.connected() as db, await world.connected("sonnette_operator") as op:
        await db.execute(damage)
        await eventually(lambda: complains(gateway, sentence), NAMED_LIMIT_S)
        assert sentence in await value(op, DOCTOR)
        await db.execute("alter table sonnette.changes enable always trigger sonnette_number")
        await db.execute("select sonnette.watch('cargo', 'owner')")
        await eventually(lambda: is_well(gateway), NAMED_LIMIT_S)
        assert await value(op, DOCTOR) is None
    assert sentence in gateway.process.logged()
    world.writer(alice)
    await world.more(30)
    await world.holds()


async def test_fault_25_every_way_to_write(world: World) -> None:
    """COPY, MERGE, upserts, cascades, a replica's session: all logged. TRUNCATE is refused.

    The table was never watched before: who asked for it was told so, and is served once it is.
    """
    alice, bob = await world.user(), await world.user()
    async with await world.connected() as db:
        await db.execute(CRATES)
        assert "no table public.crates is watched" in await refusal(world, alice)
        await db.execute("select sonnette.watch('crates', 'user_id')")

        async def served_now() -> bool:
            return not await refusal(world, alice)

        await eventually(served_now, NAMED_LIMIT_S)
        for user in (alice, bob):
            await world.client(user)
        await every_way(db, alice, bob)
        for table in ("cargo", "crates, cargo"):
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="TRUNCATE"):
                await db.execute(f"truncate {table} cascade".encode())
        await served(world)
    kinds = {(change.op, change.table) for change in changes(world.clients[0])}
    assert kinds >= {(op, t) for op in ("INSERT", "UPDATE", "DELETE") for t in ("cargo", "crates")}
    await world.holds()


async def refusal(world: World, user: UUID) -> str:
    """Why a join that asks for the crates alone is refused; nothing where it is not."""
    async with wire(world.gateways[0].process) as socket:
        await socket.join(token(user), {"event": "*", "schema": "public", "table": "crates"})
        said = (await socket.frame())["payload"]
        return "" if said["status"] == "ok" else str(said["response"]["reason"])


async def every_way(db: Connection, alice: object, bob: object) -> None:
    """A few rows of both, by every statement that changes some."""
    async with db.cursor() as cursor, cursor.copy("copy cargo from stdin") as copy:
        for id, owner in ((1, alice), (2, bob), (3, alice), (4, None)):
            await copy.write_row((id, owner, "copied", 1))
    await db.execute("insert into crates values (1, %s, 1), (2, %s, 2), (3, %s, 3)",
                     (alice, bob, alice))  # fmt: skip
    await db.execute(
        "insert into cargo values (1, %s, 'upserted'), (5, %s, 'upserted')"
        " on conflict (id) do update set owner = excluded.owner, note = excluded.note",
        (bob, alice),
    )
    await db.execute(
        "merge into cargo using (values (1), (2), (3), (6)) as v (id) on cargo.id = v.id"
        " when matched and v.id = 2 then delete"
        " when matched then update set note = 'merged', owner = %(alice)s"
        " when not matched then insert values (v.id, %(alice)s, 'merged', 6)",
        {"alice": alice},
    )
    await db.execute("update cargo set id = 33 where id = 3")
    await db.execute("delete from cargo where id = 33")
    await db.execute("set session_replication_role = replica")
    await db.execute("insert into cargo values (7, %s, 'replica')", (alice,))
    await db.execute("update cargo set note = 'replica' where id in (1, 7)")
    await db.execute("delete from cargo where id = 5")
    await db.execute("reset session_replication_role")
    await db.execute(
        "with gone as (delete from cargo where id = 6 returning owner)"
        " insert into crates select 9, owner, 7 from gone"
    )
