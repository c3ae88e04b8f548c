"""The log of a Postgres that is set to tell everything: no code and no text of an SMS is in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db import embedded, migrate
from db.embedded import Server
from tests.fixtures.postgres import Database, reachable_folder
from tests.market import market

CODE, WORDS = "QVX-93-KLM", "hush hush"
TALKATIVE = {
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_min_error_statement": "error",
    "log_error_verbosity": "verbose",
    "log_statement": "all",
}
NO_TIME = "select sonnette.sms_arrived(%s, %s, %s, null, null, 'poller', %s)"
SMS = "select sonnette.sms_arrived(%s, %s, %s, null, now(), 'poller', %s)"


@pytest.fixture
def talkative(pg_bindir: Path) -> Iterator[Server]:
    """A server that logs as much as it can, with Sonnette in it."""
    home = reachable_folder()
    try:
        with embedded.start(home, bindir=pg_bindir, fsync=False, settings=TALKATIVE) as running:
            migrate.upgrade(running.dsn(dbname="postgres"))
            yield running
    finally:
        shutil.rmtree(home)


async def test_neither_slow_nor_failing_statements_tell_what_an_sms_said(talkative: Server) -> None:
    database = Database(talkative, "postgres")
    async with market(database) as shop:
        activation = await shop.pending(await shop.new_user())
        await shop.poller.execute(SMS, (activation, CODE, WORDS, CODE))
        for connection, statement, values in (
            (shop.poller, NO_TIME, (activation, CODE, WORDS, CODE + "2")),
            (shop.poller, "update messages set text = %s where code = %s", (WORDS, CODE)),
            (shop.service, "select %s, %s from nothing", (CODE, WORDS)),
            (shop.operator, f"update activations set sms_code = '{CODE}', status = 'failed'", None),
            (shop.operator, f"insert into messages (code) values ('{CODE}')", None),
            (shop.operator, f"select '{WORDS}' from nothing", None),
        ):
            with pytest.raises(psycopg.Error):
                await connection.execute(statement.encode(), values)
        await shop.operator.execute(f"select '{CODE}'".encode())
        await shop.poller.execute("select 'the fence'")
    logged = talkative.place.log.read_text()
    assert "the fence" in logged
    assert "sonnette.sms_arrived" in logged, "it does log what takes long"
    assert logged.count("ERROR:") >= 6
    for secret in (CODE, WORDS):
        assert secret not in logged
