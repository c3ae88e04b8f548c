"""`sonnette tail`, `watch` and `dump` beside a `run`."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.fixtures.running import SONNETTE, Running

BOB = "b0b00000-0000-4000-8000-000000000002"


@contextmanager
def tail(running: Running, *words: str) -> Iterator[Iterator[dict[str, object]]]:
    """The changes that it prints, for the length of a block; ended by Ctrl-C."""
    process = subprocess.Popen(
        [SONNETTE, "tail", *words], env=running.environ, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield (json.loads(line) for line in process.stdout)
    finally:
        process.send_signal(2)
        process.stdout.close()
        assert process.wait(20) == 0


def credited(running: Running, amount: str) -> None:
    said = running.verb("credit", "alice", amount)
    assert said.returncode == 0, said.stderr


def test_a_feed_is_followed_and_resumed_also_when_its_connection_is_lost(running: Running) -> None:
    with tail(running, "alice", "--since", "0") as changes:
        assert next(changes)["seq"] == 1
        seen = 1
        for _ in range(2):
            credited(running, "0.01")
            change = next(changes)
            seen += 1
            assert (change["seq"], change["table_name"]) == (seen, "public.wallets")
            with psycopg.connect(running.fact("database"), autocommit=True) as db:
                db.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'sonnette tail'"
                )
    with tail(running, "alice", "--since", str(seen - 1)) as changes:
        assert next(changes)["seq"] == seen


def test_codes_are_shown_where_they_are_asked_for(running: Running) -> None:
    with psycopg.connect(running.fact("database"), autocommit=True) as db:
        db.execute(
            "insert into activations (user_id, provider, service_code, country_code, status, price)"
            " values (%s, 'none', 'wa', '6', 'pending', 0)",
            (BOB,),
        )
        db.execute(
            "update activations set status = 'received', sms_code = 'QVX-31' where user_id = %s",
            (BOB,),
        )
    for words, code in ((["--codes"], "QVX-31"), ([], "***")):
        with tail(running, "bob", "--since", "1", *words) as changes:
            rows = (change["record"] for change in changes if change["op"] == "UPDATE")
            shown = next(
                row["sms_code"] for row in rows if isinstance(row, dict) and row.get("sms_code")
            )
        assert shown == code


def test_a_table_is_put_on_the_feed(running: Running) -> None:
    with psycopg.connect(running.fact("database"), autocommit=True) as db:
        db.execute("create table parcels (id int primary key, owner uuid)")
        refused = running.verb("watch", "parcels", "id")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "no column id of type uuid" in refused.stderr
        said = running.verb("watch", "parcels", "owner")
        assert (said.returncode, said.stderr) == (0, "")
        assert db.execute("select sonnette.unwatched()").fetchall() == []
        db.execute("select sonnette.unwatch('parcels')")
        db.execute("drop table parcels")


def test_a_dump_has_everything(running: Running) -> None:
    said = running.verb("dump", "--schema-only")
    assert said.returncode == 0, said.stderr
    assert "CREATE TABLE sonnette.changes" in said.stdout
