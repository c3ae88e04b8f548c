"""Worlds for the fault tests: `world` is the usual one, `worlds` makes others."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from db.account import server_account
from tests.chaos import postgres
from tests.chaos.postgres import Template
from tests.chaos.world import World, world
from tests.fixtures.postgres import reachable_folder


class Worlds(Protocol):
    """`async with worlds(gateways=2) as world:`; see tests/chaos/world.py."""

    def __call__(self, **how: object) -> AbstractAsyncContextManager[World]: ...


@pytest.fixture(scope="session")
def data(pg_bindir: Path) -> Iterator[Template]:
    """The migrated data folder that each world's Postgres begins with."""
    with postgres.template(pg_bindir) as made:
        yield made


@pytest.fixture
def worlds(data: Template, tmp_path: Path) -> Worlds:
    """Makes a world of a test's own."""
    return partial(world, data, tmp_path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting_world(
    data: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """One gateway for the tests of a module that do no harm to it, each with users of its own."""
    async with world(data, tmp_path_factory.mktemp("world")) as one:
        yield one


@pytest_asyncio.fixture(name="world")
async def usual_world(worlds: Worlds) -> AsyncIterator[World]:
    """One gateway, nobody there yet."""
    async with worlds() as one:
        yield one


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A folder that the server's account can read and write to, for what it is given or leaves."""
    folder = reachable_folder()
    server_account().own(folder)
    yield folder
    shutil.rmtree(folder)
