"""A listening connection that is open and hears nothing: found by its canary and replaced.

Each way in which that happens is made to happen. The pace is quick here; test_conditions.py has
whole processes at their usual one.
"""

import os
import signal
import time

import psycopg

from db.hearing import DEAF, SILENT, State
from tests.db_helpers import Connection, value
from tests.facts import eventually
from tests.fixtures.postgres import Database
from tests.watching import NAME, PATIENT, QUICK, Ears, ears, line, through

UNLISTEN = b"Q\x00\x00\x00\x0fUNLISTEN *\x00"  # a simple query, as the wire has it
OF_THE_LISTENER = (
    "select pid from pg_stat_activity where application_name = %s and datname = current_database()"
)


async def found_deaf_and_back(one: Ears) -> None:
    """It was found deaf, listens again, and everything was marked once more."""
    await eventually(lambda: one.listener.hearing.times_deaf, 20)
    await eventually(lambda: one.listener.hearing.state is State.LISTENING, 20)
    assert one.marks >= 2
    assert one.marks == one.listener.connects


async def test_canaries_are_heard_and_are_nobodys_ring(database: Database, db: Connection) -> None:
    async with ears(database.dsn("sonnette_gateway"), pace=PATIENT) as one:
        await eventually(lambda: len(one.echoes) >= 5)
        await one.hears(db, "a ring")
        assert set(one.rings) == {"a ring"}
        assert all(took_s >= 0 for took_s in one.echoes)
        assert (one.listener.hearing.times_deaf, one.listener.connects) == (0, 1)


async def test_a_line_that_carries_nothing_any_more(database: Database, db: Connection) -> None:
    """Half-open: nothing is refused and nothing is closed. New connections work."""
    async with (
        line(database) as listening,
        ears(through(listening, database), database.dsn("sonnette_gateway")) as one,
    ):
        listening.black_hole()
        await eventually(lambda: one.listener.hearing.times_deaf, 20)
        await eventually(lambda: one.listener.problem == DEAF or one.listener.connects > 1)
        listening.heal()
        await found_deaf_and_back(one)
        await one.hears(db, "a ring")


async def test_a_line_that_loses_both_connections(database: Database, db: Connection) -> None:
    """The canary cannot even be sent: silence is judged all the same."""
    async with line(database) as both, ears(through(both, database)) as one:
        both.black_hole()
        await eventually(lambda: one.listener.hearing.times_deaf, 20)
        assert one.listener.problem == SILENT
        both.heal()
        await found_deaf_and_back(one)
        await eventually(lambda: one.lookout.problem is None, 20)
        await one.hears(db, "a ring")


async def test_somebody_unlistens(database: Database, db: Connection) -> None:
    """As a pooler that resets sessions does."""
    async with (
        line(database) as listening,
        ears(through(listening, database), database.dsn("sonnette_gateway")) as one,
    ):
        listening.say(UNLISTEN)
        await found_deaf_and_back(one)
        await one.hears(db, "a ring")


async def test_a_backend_that_stands_still(database: Database, db: Connection) -> None:
    pid = None
    try:
        async with ears(database.dsn("sonnette_gateway")) as one:
            pid = await value(db, OF_THE_LISTENER, NAME)
            os.kill(pid, signal.SIGSTOP)
            await found_deaf_and_back(one)
            await one.hears(db, "a ring")
    finally:
        if pid is not None:
            os.kill(pid, signal.SIGCONT)


async def test_a_killed_backend_is_replaced_without_a_canary(
    database: Database, db: Connection
) -> None:
    async with ears(database.dsn("sonnette_gateway"), pace=PATIENT) as one:
        await db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s",
            (NAME,),
        )
        await eventually(lambda: one.listener.connects == 2)
        await one.hears(db, "a ring")
        assert one.listener.hearing.times_deaf == 0


async def test_a_limit_on_idle_sessions_does_not_end_a_listener(
    database: Database, db: Connection
) -> None:
    """Set for this database, so that no other test has it."""
    await db.execute(
        f"alter role sonnette_gateway in database {database.name}"
        " set idle_session_timeout = '300ms'".encode()
    )
    async with ears(database.dsn("sonnette_gateway")) as one:
        other = await Connection.connect(database.dsn("sonnette_gateway"), autocommit=True)
        other_pid = other.info.backend_pid

        async def ended() -> bool:
            gone = "select from pg_stat_activity where pid = %s"
            return await (await db.execute(gone, (other_pid,))).fetchone() is None

        await eventually(ended)  # the limit is in force
        await other.close()
        echoes = len(one.echoes)
        await eventually(lambda: len(one.echoes) > echoes)
        assert one.listener.connects == 1


async def test_a_lookout_without_a_connection_is_no_verdict_on_the_listener(
    database: Database, db: Connection
) -> None:
    """No connection left for it, say: who hears goes on hearing."""
    async with (
        line(database) as looking,
        ears(database.dsn("sonnette_gateway"), through(looking, database), PATIENT) as one,
    ):
        looking.refuse()
        await eventually(lambda: one.lookout.problem)
        for number in range(3):
            await one.hears(db, f"ring {number}")
        looking.accept()
        await eventually(lambda: one.lookout.problem is None)
        assert (one.listener.hearing.times_deaf, one.listener.connects) == (0, 1)


async def test_a_process_that_itself_stood_still_is_not_deaf(
    database: Database, db: Connection
) -> None:
    """SIGSTOP, a suspended machine, a blocked loop: its time was up before it could hear."""
    async with ears(database.dsn("sonnette_gateway")) as one:
        channel, payload = one.listener.canary()
        with psycopg.connect(database.dsn(), autocommit=True) as another:
            another.execute("select pg_notify(%s, %s)", (channel, payload))
        time.sleep(2 * QUICK.echo_limit_s)  # noqa: ASYNC251 - this is the fault
        echoes = len(one.echoes)
        await eventually(lambda: len(one.echoes) > echoes + 3)
        assert (one.listener.hearing.times_deaf, one.listener.connects) == (0, 1)


async def test_a_table_that_is_being_altered_holds_up_no_canary(
    database: Database, cargo_db: Connection
) -> None:
    await cargo_db.execute(
        "create table parts (id int, owner uuid, primary key (id)) partition by range (id)"
    )
    await cargo_db.execute("select sonnette.watch('parts', 'owner')")
    async with (
        ears(database.dsn("sonnette_gateway"), pace=PATIENT) as one,
        await Connection.connect(database.dsn()) as altering,
    ):
        await altering.execute("lock table parts in access exclusive mode")
        echoes = len(one.echoes)
        await eventually(lambda: len(one.echoes) > echoes + 3)
        assert (one.lookout.problem, one.lookout.unwatched) == (None, ())
        await altering.rollback()
