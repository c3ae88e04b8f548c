"""db/feed.py on a real server: pages, their limits, and a plan that reads no more than it gives."""

from uuid import UUID

import pytest

from db import feed
from db.queries import queries
from tests.db_helpers import ALICE, BOB, Connection, value


@pytest.fixture
async def cargo(db: Connection) -> Connection:
    """Alice has 500 changes, Bob has 3."""
    await db.execute("create table cargo (id int primary key, owner uuid)")
    await db.execute("select sonnette.watch('cargo', 'owner')")
    await db.execute("insert into cargo select i, %s from generate_series(1, 500) i", (ALICE,))
    await db.execute("insert into cargo select -i, %s from generate_series(1, 3) i", (BOB,))
    await db.execute(queries["reader_session"])
    return db


async def test_one_read_serves_all_who_are_due(cargo: Connection) -> None:
    nobody = str(UUID(int=7))
    pages = await feed.read(cargo, {str(ALICE): 490, str(BOB): 0, nobody: 0}, 100)
    found = {page.user: ([c.seq for c in page.changes], page.last_seq) for page in pages}
    assert found == {
        str(ALICE): (list(range(491, 501)), 500),
        str(BOB): ([1, 2, 3], 3),
        nobody: ([], 0),
    }


async def test_a_long_feed_comes_in_complete_and_incomplete_pages(cargo: Connection) -> None:
    [page] = await feed.read(cargo, {str(ALICE): 0}, 10)
    assert [change.seq for change in page.changes] == list(range(1, 11))
    assert (page.complete, page.last_seq) == (False, 500)
    [page] = await feed.read(cargo, {str(ALICE): 495}, 10)
    assert page.complete


async def test_who_begins_now_reads_no_history(cargo: Connection) -> None:
    [page] = await feed.read(cargo, {str(ALICE): feed.LIVE_ONLY}, 10)
    assert (page.changes, page.last_seq) == ([], 500)


async def test_times_are_utc_with_milliseconds(cargo: Connection) -> None:
    [page] = await feed.read(cargo, {str(BOB): 2}, 10)
    stamp = page.changes[0].commit_timestamp
    assert await value(
        cargo, "select %s::timestamptz between now() - interval '1 h' and now()", stamp
    )
    assert len(stamp) == len("2026-01-01T00:00:00.123Z")
    assert stamp.endswith("Z")


@pytest.mark.parametrize("analyzed", [False, True])
async def test_the_plan_never_reads_a_whole_feed_for_a_page(
    cargo: Connection, analyzed: bool
) -> None:
    """A long feed that is read from its start must not be fetched and sorted for each page."""
    if analyzed:
        await cargo.execute("analyze")
    plan = await cargo.execute(
        ("explain " + queries["feed_after"]).encode(),
        {"user_ids": [str(ALICE)], "after": [0], "most": 10},
    )
    lines = [str(row[0]) for row in await plan.fetchall()]
    assert not [line for line in lines if "Sort" in line or "Seq Scan" in line], lines
    assert any("numbers_pkey" in line for line in lines)
