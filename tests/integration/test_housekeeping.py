"""The service's housekeeping: the log by age and by size, old rows, and what it tells of that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from service.database import opened
from service.housekeeping import House, Keep
from service.metrics import Metrics
from tests.db_helpers import ALICE, Connection, make_activation, make_user, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.fixtures.service import RunningService, running_service

HOUR_S = 3600.0
MANY = 10**9


@asynccontextmanager
async def house(
    database: Database, age_s: float = 24 * HOUR_S, changes: int = MANY
) -> AsyncIterator[House]:
    async with opened(database.dsn("sonnette_service")) as db:
        yield House(db, Keep(age_s, changes), Metrics())


async def add(db: Connection, first: int, last: int, hours_ago: int) -> None:
    """Changes with these numbers on alice's feed."""
    await db.execute(
        "insert into cargo select i, %s from generate_series(%s::int, %s::int) i",
        (ALICE, first, last),
    )
    await db.execute(
        "update sonnette.changes c set at = now() - make_interval(hours => %s)"
        " from sonnette.numbers m where m.tx = c.tx and m.n = c.n and m.seq between %s and %s",
        (hours_ago, first, last),
    )


async def logged(db: Connection) -> int:
    return int(await value(db, "select count(*) from sonnette.changes"))


async def counted(service: RunningService, name: str) -> float | None:
    async with service.client() as client:
        text = (await client.get("/metrics")).text
    found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found[0]) if found else None


async def statistics_say(db: Connection, changes: int) -> None:
    """Wait until Postgres' statistics have heard of so many changes."""
    find = "select n_live_tup from pg_stat_all_tables where relid = 'sonnette.changes'::regclass"

    async def known() -> bool:
        await db.execute("select pg_stat_force_next_flush()")
        return int(await value(db, find)) == changes

    await eventually(known)


async def test_changes_go_by_their_age_over_as_many_batches_as_it_takes(
    database: Database, cargo_db: Connection
) -> None:
    await add(cargo_db, 1, 2500, hours_ago=25)
    await add(cargo_db, 2501, 2510, hours_ago=23)
    async with house(database) as keeper:
        await keeper.prune()
    assert await logged(cargo_db) == 10


async def test_too_many_changes_go_before_their_time_the_oldest_first(
    database: Database, cargo_db: Connection
) -> None:
    await add(cargo_db, 1, 30, hours_ago=2)
    await add(cargo_db, 31, 50, hours_ago=1)
    await statistics_say(cargo_db, 50)
    async with house(database, changes=25) as keeper:
        await keeper.prune()
    assert await value(
        cargo_db, "select min(seq) from sonnette.numbers join sonnette.changes using (tx, n)"
    ) in (26, 27)


async def test_what_was_just_written_stays_however_much_it_is(
    database: Database, cargo_db: Connection
) -> None:
    await add(cargo_db, 1, 50, hours_ago=0)
    await statistics_say(cargo_db, 50)
    async with house(database, changes=1) as keeper:
        await keeper.prune()
    assert await logged(cargo_db) == 50


async def test_several_services_prune_together_what_one_would(
    database: Database, cargo_db: Connection
) -> None:
    await add(cargo_db, 1, 5000, hours_ago=25)
    async with house(database) as one, house(database) as other:
        while await logged(cargo_db):
            await asyncio.gather(one.prune(), other.prune())


# --- other tables


async def count_of(db: Connection, table: str) -> int:
    return int(await value(db, f"select count(*) from sonnette.{table}"))


@pytest.mark.parametrize(("hours_ago", "left"), [(25, 0), (23, 1)])
async def test_old_webhooks_answered_requests_ended_processes_and_orphans_go(
    database: Database, db: Connection, hours_ago: int, left: int
) -> None:
    user = await make_user(db)
    activation = await make_activation(db, user)
    await db.execute(
        "insert into sonnette.inbox (account, body, dedupe_key, received_at)"
        " values ('a', '{}', 'k', now() - make_interval(hours => %s))",
        (hours_ago,),
    )
    await db.execute(
        "insert into sonnette.requests (user_id, activation_id, kind, at, done_at)"
        " select %s, %s, 'check', t, t from (select now() - make_interval(hours => %s)) s (t)",
        (user, activation, hours_ago),
    )
    await db.execute(
        "insert into sonnette.processes (id, kind, host, pid, version, seen_at)"
        " values (%s, 'gateway', 'h', 1, 'v', now() - make_interval(hours => %s))",
        (uuid4(), hours_ago),
    )
    await db.execute(
        "insert into sonnette.orphans (account, order_id, seen_at, done_at, outcome)"
        " select 'a', id, t, done, 'x' from (select now() - make_interval(hours => %s)) s (t),"
        " lateral (values ('settled', t), ('no longer listed', null)) o (id, done)",
        (hours_ago,),
    )
    async with house(database, age_s=HOUR_S) as keeper:
        await keeper.tidy()
    tables = ("inbox", "requests", "processes", "orphans")
    assert [await count_of(db, table) for table in tables] == [left] * 3 + [2 * left]


async def test_an_orphan_stays_while_it_is_listed_and_for_a_while_after_it_was_settled(
    database: Database, db: Connection
) -> None:
    await db.execute(
        "insert into sonnette.orphans (account, order_id, first_seen_at, seen_at, done_at)"
        " values ('a', 'listed', now() - interval '1 year', now(), null),"
        " ('a', 'settled', now() - interval '1 year', now() - interval '1 year', now())"
    )
    async with house(database) as keeper:
        await keeper.tidy()
    assert await count_of(db, "orphans") == 2


async def test_a_request_that_is_not_answered_stays_however_old(
    database: Database, db: Connection
) -> None:
    user = await make_user(db)
    await db.execute(
        "insert into sonnette.requests (user_id, activation_id, kind, at)"
        " values (%s, %s, 'check', now() - interval '1 year')",
        (user, await make_activation(db, user)),
    )
    async with house(database) as keeper:
        await keeper.tidy()
    assert await count_of(db, "requests") == 1


# --- in the process


async def test_a_service_prunes_by_itself_and_tells_how_far_back_the_log_goes(
    database: Database, cargo_db: Connection
) -> None:
    await add(cargo_db, 1, 20, hours_ago=3)
    await add(cargo_db, 21, 30, hours_ago=1)
    async with running_service(database, retention_hours=2) as service:

        async def looked() -> bool:
            return bool(await counted(service, "sonnette_service_log_oldest_seconds"))

        await eventually(looked)
        pruned = await counted(service, 'sonnette_service_changes_pruned_total{reason="age"}')
        oldest_s = await counted(service, "sonnette_service_log_oldest_seconds")
    assert pruned == 20
    assert oldest_s == pytest.approx(HOUR_S, abs=60)
    assert await logged(cargo_db) == 10
