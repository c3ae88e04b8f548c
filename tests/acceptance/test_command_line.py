"""The command line without anything running: help, and refusals in one sentence."""

from pathlib import Path

import pytest

from tests.fixtures.running import clean_environ, free_ports, sonnette

VERBS = (
    "run",
    "migrate",
    "service",
    "gateway",
    "poller",
    "simulator",
    "token",
    "credit",
    "psql",
    "doctor",
    "try-purchase",
    "tail",
    "watch",
    "dump",
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home that does not exist, and ports that nobody uses."""
    parts = ("SERVICE", "GATEWAY", "SIMULATOR", "POLLER")
    listen = {
        f"SONNETTE_{part}_LISTEN": f"127.0.0.1:{port}"
        for part, port in zip(parts, free_ports(len(parts)), strict=True)
    }
    return clean_environ() | listen | {"SONNETTE_HOME": str(tmp_path / "home")}


def test_help_lists_every_verb(environ: dict[str, str]) -> None:
    said = sonnette("--help", environ=environ)
    assert said.returncode == 0
    listed = [line.split()[0] for line in said.stdout.splitlines() if line.startswith("    ")]
    assert set(VERBS) <= set(listed)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(environ: dict[str, str], verb: str) -> None:
    said = sonnette(verb, "--help", environ=environ)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith(f"usage: sonnette {verb}")


@pytest.mark.parametrize("words", [(), ("dance",), ("token",), ("credit", "alice"), ("run", "x")])
def test_a_command_line_that_is_none_exits_2(
    environ: dict[str, str], words: tuple[str, ...]
) -> None:
    said = sonnette(*words, environ=environ)
    assert said.returncode == 2
    assert said.stdout == ""
    assert "usage: sonnette" in said.stderr


@pytest.mark.parametrize("verb", ["run", "migrate", "token", "doctor", "gateway", "psql"])
def test_an_unknown_setting_is_refused_by_every_verb(environ: dict[str, str], verb: str) -> None:
    words = [verb, "alice"] if verb == "token" else [verb]
    said = sonnette(*words, environ=environ | {"SONNETTE_GATEWAY_LISTN": "127.0.0.1:1"})
    assert said.returncode == 1
    assert said.stderr == (
        "SONNETTE_GATEWAY_LISTN is not a setting of Sonnette; "
        "did you mean SONNETTE_GATEWAY_LISTEN?\n"
    )


def test_a_short_secret_is_refused_and_not_repeated(environ: dict[str, str]) -> None:
    said = sonnette("run", environ=environ | {"SONNETTE_JWT_SECRET": "hush"})
    assert said.returncode == 1
    assert said.stderr.startswith("SONNETTE_JWT_SECRET must be at least 32 bytes")
    assert "hush" not in said.stderr


@pytest.mark.parametrize("verb", ["run", "migrate"])
def test_a_database_that_nobody_serves_is_one_sentence(environ: dict[str, str], verb: str) -> None:
    wrong = f"postgresql://u:hush@127.0.0.1:{free_ports(1)[0]}/d"
    said = sonnette(verb, environ=environ | {"DATABASE_URL": wrong})
    assert said.returncode == 1
    assert said.stdout == ""
    assert "refused" in said.stderr
    assert "hush" not in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("words", [("psql",), ("migrate",), ("credit", "alice", "1")])
def test_without_a_database_it_says_how_to_get_one(
    environ: dict[str, str], words: tuple[str, ...]
) -> None:
    said = sonnette(*words, environ=environ)
    assert said.returncode == 1
    assert said.stderr == (
        f"there is no database in {environ['SONNETTE_HOME']} yet: "
        "start `sonnette run` first, or set DATABASE_URL\n"
    )


def test_without_a_secret_there_is_no_token(environ: dict[str, str]) -> None:
    said = sonnette("token", "alice", environ=environ)
    assert said.returncode == 1
    assert said.stdout == ""
    assert "there is no secret in" in said.stderr
    assert not Path(environ["SONNETTE_HOME"]).exists()


def test_a_token_for_a_demo_user_needs_no_database(environ: dict[str, str]) -> None:
    said = sonnette("token", "alice", environ=environ | {"SONNETTE_JWT_SECRET": "s" * 32})
    assert said.returncode == 0
    assert said.stdout.count(".") == 2
    assert said.stdout.count("\n") == 1


def test_a_lifetime_that_is_none_is_refused(environ: dict[str, str]) -> None:
    said = sonnette("token", "alice", "--ttl", "soon", environ=environ)
    assert said.returncode == 2
    assert "a lifetime is written 90s, 15m, 1h or 7d" in said.stderr


def test_doctor_without_anything_says_what_is_missing(environ: dict[str, str]) -> None:
    said = sonnette("doctor", environ=environ)
    assert said.returncode == 1
    assert "FAILED  database: there is no database" in said.stdout
    assert "FAILED  secret: none: " in said.stdout
    assert "-       gateway: nobody listens at 127.0.0.1:" in said.stdout


def test_a_home_that_is_a_file_is_one_sentence(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    said = sonnette("run", environ=environ)
    assert said.returncode == 1
    assert said.stderr.startswith("cannot use ")
    assert said.stderr.endswith("set SONNETTE_HOME to another folder\n")
