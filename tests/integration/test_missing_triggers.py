"""Every trigger that this schema has is missed when it is dropped, and when it is off."""

import psycopg
import pytest
from psycopg import sql

from db.queries import queries
from tests.fixtures.postgres import Database

OURS = """
    select t.tgname::text, n.nspname::text, c.relname::text
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_proc p on p.oid = t.tgfoid
    where p.pronamespace = 'sonnette'::regnamespace
"""
DROPPED = "drop trigger {trigger} on {schema}.{table}"
DISABLED = "alter table {schema}.{table} disable trigger {trigger}"
NOT_ALWAYS = "alter table {schema}.{table} enable trigger {trigger}"


@pytest.mark.parametrize("fault", [DROPPED, DISABLED, NOT_ALWAYS])
def test_each_is_named(database: Database, fault: str) -> None:
    with psycopg.connect(database.dsn(), autocommit=True) as db:
        triggers = db.execute(OURS).fetchall()
        assert len(triggers) > 15
        for trigger, schema, table in triggers:
            names = {"trigger": trigger, "schema": schema, "table": table}
            with db.transaction(force_rollback=True):
                done = {name: sql.Identifier(value) for name, value in names.items()}
                db.execute(sql.SQL(fault).format(**done))
                found = db.execute(queries["look"]).fetchone()
            assert found is not None
            of_the_feed = trigger.startswith("sonnette_")
            said, others = found[:2] if of_the_feed else found[1::-1]
            assert (len(said), others) == (1, []), (names, found)
            assert trigger in said[0]
            assert table in said[0]
        in_order = db.execute(queries["look"]).fetchone()
        assert in_order is not None
        assert in_order[:2] == ([], [])
