"""The page's sources: their tests pass, their types hold, the committed files are what they build.

The lock names no registry, so that any will do.
"""

from pathlib import Path

from tests.browser.web_tools import tool
from tests.needs import WEB, needs_web

STATIC = WEB.parent / "service" / "static"


@needs_web
def test_the_tests_of_its_modules_pass() -> None:
    told = tool("vitest", "run")
    assert told.returncode == 0, told.stdout + told.stderr


@needs_web
def test_its_types_hold() -> None:
    told = tool("tsc", "--noEmit")
    assert told.returncode == 0, told.stdout


@needs_web
def test_the_committed_files_are_byte_for_byte_what_is_built(tmp_path: Path) -> None:
    told = tool("vite", "build", "--outDir", str(tmp_path))
    assert told.returncode == 0, told.stderr
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in STATIC.iterdir()}
    assert built.keys() == committed.keys()
    for name, content in built.items():
        assert content == committed[name], f"{name} differs: npm run build in web/, and commit"


def test_the_lock_names_no_registry() -> None:
    lock = (WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "registry" not in lock
