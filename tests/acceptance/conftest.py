"""One `sonnette run` that the tests of a module share, and homes for those that start their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.postgres import reachable_folder
from tests.fixtures.running import Running


@pytest.fixture
def home() -> Iterator[Path]:
    """A SONNETTE_HOME that does not exist yet."""
    folder = reachable_folder()
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(pg_bindir: Path) -> Iterator[Running]:
    """A `sonnette run` that is ready; tests leave it running, and ready."""
    folder = reachable_folder()
    try:
        with Running(folder / "home", pg_bindir) as started:
            yield started.ready()
    finally:
        shutil.rmtree(folder)
