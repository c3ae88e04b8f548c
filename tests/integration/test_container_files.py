"""What the container files ask for is there, and their secrets fit. No image is built."""

import re
import subprocess
from pathlib import Path

import psycopg
import yaml  # type: ignore[import-untyped]

from poller import accounts
from process.settings import load
from tests.fixtures.postgres import Database

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "container"


def made(folder: Path) -> subprocess.CompletedProcess[str]:
    """What `make-secrets.sh` says, once it has written to the folder."""
    script = ["sh", str(HERE / "make-secrets.sh"), str(folder)]
    return subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)


def test_secrets_are_made_once_and_fit_database_and_settings(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    assert made(folder).returncode == 0
    assert folder.stat().st_mode & 0o077 == 0
    compose = yaml.safe_load((HERE / "compose.yaml").read_text())
    named = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert {path.name for path in folder.iterdir()} == named
    with psycopg.connect(database.dsn()) as db:
        db.execute((folder / "roles.sql").read_bytes())
        db.rollback()  # roles belong to the server that the tests share
    for name, service in compose["services"].items():
        environ = service.get("environment", {})
        if "build" not in service:
            continue
        files = {f"/run/secrets/{secret}" for secret in service["secrets"]}
        assert {value for value in environ.values() if value.startswith("/")} == files, name
        here = {key: _here(value, compose, folder) for key, value in environ.items()}
        settings = load(here)
        if name == "poller":
            assert [account.name for account in accounts.load(settings)] == ["hero"]
    assert made(folder).returncode == 1


def test_the_image_is_given_all_packages() -> None:
    copied = re.findall(r"^COPY (\w+) \1$", (HERE / "Containerfile").read_text(), re.MULTILINE)
    project = (ROOT / "pyproject.toml").read_text()
    found = re.search(r"packages\.find\]\ninclude = \[(.*)\]", project)
    assert found is not None
    assert copied == re.findall(r'"(\w+)\*"', found[1])


def _here(value: str, compose: dict[str, dict[str, dict[str, str]]], folder: Path) -> str:
    if not value.startswith("/run/secrets/"):
        return value
    return str(folder / Path(compose["secrets"][Path(value).name]["file"]).name)
