"""A gateway process, a real Postgres and plain sockets: what each subscription is sent."""

import json

import pytest

from tests.db_helpers import ALICE, BOB, Connection, make_activation, make_user
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import cargo, role_key, wire

both_serializers = pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])


async def put(db: Connection, number: int, owner: object = ALICE, note: str = "new") -> None:
    await db.execute("insert into cargo values (%s, %s, %s, 1.50)", (number, owner, note))


@both_serializers
async def test_insert_update_and_delete_with_their_whole_rows(
    gateway: GatewayProcess, cargo_db: Connection, vsn: str
) -> None:
    async with wire(gateway, vsn=vsn) as alice:
        system = await alice.subscribe(token(ALICE), cargo())
        assert (system["feed_seq"], system["channel"]) == (0, "test")
        await put(cargo_db, 1)
        await cargo_db.execute("update cargo set note = 'changed', weight = null")
        await cargo_db.execute("delete from cargo")
        first, second, third = [await alice.change() for _ in range(3)]
    new = {"id": 1, "owner": str(ALICE), "note": "new", "weight": 1.5}
    changed = {**new, "note": "changed", "weight": None}
    assert (first.type, first.row, first.old) == ("INSERT", new, None)
    assert (second.type, second.row, second.old) == ("UPDATE", changed, new)
    assert (third.type, third.row) == ("DELETE", changed)
    assert [(one.seq, one.prev) for one in (first, second, third)] == [(1, 0), (2, 1), (3, 2)]


async def test_the_changes_of_one_transaction_come_together_and_a_rollback_sends_nothing(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        async with cargo_db.transaction(force_rollback=True):
            await put(cargo_db, 1)
        async with cargo_db.transaction():
            await put(cargo_db, 2)
            await put(cargo_db, 3)
        seen = [await alice.change(), await alice.change()]
        assert [(one.row["id"], one.seq) for one in seen] == [(2, 1), (3, 2)]


async def test_bob_sees_nothing_of_alice(gateway: GatewayProcess, cargo_db: Connection) -> None:
    everything = {"event": "*", "schema": "*"}
    on_alice = cargo(filter=f"owner=eq.{ALICE}")
    async with wire(gateway) as alice, wire(gateway) as bob:
        await alice.subscribe(token(ALICE), everything)
        await bob.subscribe(token(BOB), everything, on_alice, cargo(since=0))
        await put(cargo_db, 1)
        await cargo_db.execute("update cargo set note = 'changed'")
        assert [(await alice.change()).seq for _ in range(2)] == [1, 2]

        await put(cargo_db, 2, BOB)  # the fence: it must be the first that bob gets
        seen = await bob.change()
        assert (seen.row["id"], seen.seq, seen.ids) == (2, 1, [1, 3])
        await bob.alive()


async def test_a_row_that_changes_hands_leaves_one_feed_and_enters_the_other(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    await put(cargo_db, 1)
    async with wire(gateway) as alice, wire(gateway) as bob:
        await alice.subscribe(token(ALICE), cargo())
        await bob.subscribe(token(BOB), cargo())
        await cargo_db.execute("update cargo set owner = %s", (BOB,))
        assert (await alice.change()).type == "DELETE"
        given = await bob.change()
        assert (given.type, given.row["owner"]) == ("INSERT", str(BOB))


async def test_filters_are_looked_at_live(gateway: GatewayProcess, cargo_db: Connection) -> None:
    async with wire(gateway) as alice:
        await alice.subscribe(
            token(ALICE),
            cargo("UPDATE", filter=f"owner=eq.{ALICE},note=in.(b,c)"),
            cargo("DELETE", filter="weight=gte.1.5"),
            cargo(filter="id=gt.1"),
        )
        await put(cargo_db, 1)
        for note in "abc":
            await cargo_db.execute("update cargo set note = %s", (note,))
        await cargo_db.execute("delete from cargo")
        await put(cargo_db, 2)
        seen = [await alice.change() for _ in range(4)]
        assert [(one.ids, one.type, one.row["note"]) for one in seen] == [
            ([1], "UPDATE", "b"), ([1], "UPDATE", "c"),
            ([2], "DELETE", "c"), ([3], "INSERT", "new"),
        ]  # fmt: skip
        assert [(one.seq, one.prev) for one in seen] == [(3, 0), (4, 3), (5, 0), (6, 0)]


async def test_the_money_of_a_purchase_is_on_the_feed_with_the_activation(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    await make_user(cargo_db, ALICE)
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), {"event": "*", "schema": "public"})
        await cargo_db.execute("select sonnette.credit(%s, 10, 'test')", (ALICE,))
        await make_activation(cargo_db, ALICE, price="0.50")
        seen = [await alice.change() for _ in range(4)]
    assert [one.table for one in seen] == ["wallets", "wallets", "wallets", "activations"]
    assert [one.row.get("frozen") for one in seen] == [0, 0, 0.5, None]
    assert [one.seq for one in seen] == [1, 2, 3, 4]


async def test_several_channels_and_sockets_of_one_user(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as one, wire(gateway, vsn="1.0.0") as other:
        await one.subscribe(token(ALICE), cargo("INSERT"), topic="realtime:inserts")
        await one.subscribe(token(ALICE), cargo("DELETE"), cargo(), topic="realtime:all")
        await other.subscribe(token(ALICE), cargo())
        await put(cargo_db, 1)
        frames = [await one.frame(), await one.frame()]
        assert {frame["topic"]: frame["payload"]["ids"] for frame in frames} == {
            "realtime:inserts": [1], "realtime:all": [3],
        }  # fmt: skip
        assert (await other.change()).ids == [1]


@both_serializers
async def test_after_leaving_nothing_comes_and_the_topic_can_be_joined_again(
    gateway: GatewayProcess, cargo_db: Connection, vsn: str
) -> None:
    async with wire(gateway, vsn=vsn) as alice, wire(gateway) as witness:
        await witness.subscribe(token(ALICE), cargo())
        await alice.subscribe(token(ALICE), cargo())
        await alice.say("phx_leave", {}, join_ref="1")
        assert [(await alice.frame())["event"] for _ in range(2)] == ["phx_reply", "phx_close"]
        await put(cargo_db, 1)
        await witness.change()
        await alice.alive()
        system = await alice.subscribe(token(ALICE), cargo(since=0))
        assert system["feed_seq"] == 1
        assert (await alice.change()).seq == 1


async def test_a_second_join_replaces_the_first_without_a_close(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        await alice.subscribe(token(ALICE), cargo())
        await put(cargo_db, 1)
        assert (await alice.change()).ids == [2]
        await alice.alive()


async def test_a_cursor_brings_what_was_missed_in_pages_and_in_order(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    await cargo_db.execute(
        "insert into cargo select n, %s, 'n' from generate_series(1, 350) n", (ALICE,)
    )
    async with wire(gateway) as alice:
        system = await alice.subscribe(token(ALICE), cargo(since=7))
        assert system["feed_seq"] == 350
        seen = [await alice.change() for _ in range(343)]
        assert [one.seq for one in seen] == list(range(8, 351))
        assert [one.prev for one in seen] == list(range(7, 350))
        await alice.alive()


async def test_the_text_of_a_row_is_passed_on_as_postgres_wrote_it(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    note = 'quote " backslash \\ newline \n nul-ish \x01 é \u2028 😀 </script>'
    async with wire(gateway) as alice:
        await alice.subscribe(token(ALICE), cargo())
        await put(cargo_db, 1, note=note)
        await cargo_db.execute("update cargo set weight = 12345678901234567890.5")
        assert (await alice.change()).row["note"] == note
        text = await alice.connection.recv(decode=True)
        assert '"weight":12345678901234567890.5,' in str(text)
        assert json.loads(text)


async def test_service_role_follows_the_users_that_it_names(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    service_role = role_key("service_role")
    async with wire(gateway) as backend:
        await backend.join(service_role, cargo())
        assert "service_role must name one user" in await backend.refusal()
        of_both = [cargo(filter=f"owner=eq.{user}") for user in (ALICE, BOB)]
        said = [await backend.subscribe(service_role, *of_both)]
        said.append((await backend.frame())["payload"])
        assert {system["user_id"]: system["feed_seq"] for system in said} == {
            str(ALICE): 0,
            str(BOB): 0,
        }
        await put(cargo_db, 1, BOB)
        await put(cargo_db, 2, ALICE)
        seen = {one.row["id"]: one.ids for one in [await backend.change() for _ in range(2)]}
        assert seen == {1: [2], 2: [1]}
