"""db/listener.py: it listens before it says so, and comes back by itself."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from db.backoff import Backoff
from db.listener import Listener
from tests.db_helpers import Connection
from tests.facts import eventually
from tests.fixtures.postgres import Database


@dataclass
class Heard:
    """What a listener has told."""

    listener: Listener
    rings: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
async def heard(database: Database) -> AsyncIterator[Heard]:
    rings: list[tuple[str, str]] = []
    listener = Listener(
        database.dsn("sonnette_gateway"),
        ["sonnette", "other"],
        application_name="test listener",
        on_ring=lambda channel, payload: rings.append((channel, payload)),
        backoff=Backoff(0.01, 0.05),
    )
    running = asyncio.create_task(listener.run())
    await asyncio.wait_for(listener.listening.wait(), 10)
    yield Heard(listener, rings)
    running.cancel()
    await asyncio.wait([running])


async def test_each_ring_is_handed_on_in_order(heard: Heard, db: Connection) -> None:
    for payload in ("1", "2", "3"):
        await db.execute("select pg_notify('sonnette', %s)", (payload,))
    await db.execute("notify other")
    await eventually(lambda: len(heard.rings) == 4)
    assert heard.rings == [("sonnette", "1"), ("sonnette", "2"), ("sonnette", "3"), ("other", "")]


async def test_a_killed_backend_is_replaced(heard: Heard, db: Connection) -> None:
    await db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'test listener'"
    )
    await eventually(lambda: heard.listener.connects == 2)
    await db.execute("notify sonnette, 'after'")
    await eventually(lambda: heard.rings == [("sonnette", "after")])
    assert heard.listener.problem is None


async def test_listen_then_read_then_ready(database: Database, db: Connection) -> None:
    """What is committed before LISTEN is found by the read; what comes after it rings."""
    rings: list[str] = []
    during: list[bool] = []

    async def read() -> None:
        during.append(listener.listening.is_set())
        await db.execute("select pg_notify('sonnette', %s)", (f"read {len(during)}",))

    listener = Listener(
        database.dsn("sonnette_gateway"),
        ["sonnette"],
        application_name="test listener",
        on_ring=lambda _channel, payload: rings.append(payload),
        on_listening=read,
        backoff=Backoff(0.01, 0.05),
    )
    running = asyncio.create_task(listener.run())
    for count in (1, 2):
        await eventually(lambda: f"read {count}" in rings)  # noqa: B023 - awaited here
        assert listener.listening.is_set()
        await db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'test listener'"
        )
    assert during[:2] == [False, False], "nobody was told before that it listens"
    running.cancel()
    await asyncio.wait([running])


async def test_a_server_that_is_away_is_named() -> None:
    listener = Listener(
        "host=127.0.0.1 port=1", ["sonnette"], application_name="x", on_ring=lambda *_: None
    )
    running = asyncio.create_task(listener.run())
    await eventually(lambda: "refused" in (listener.problem or ""))
    assert not listener.listening.is_set()
    running.cancel()
    await asyncio.wait([running])
