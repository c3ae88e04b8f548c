"""Which processes `run` runs, and with what environment."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from process.settings import Address, Settings
from sonnette.child import how_it_ended
from sonnette.database import shown
from sonnette.parts import Part, environ_of, parts, ready_line

SETTINGS = Settings(home=Path("/srv/home"), gateway_listen=Address("::1", 9001))
PARTS = {part.name: part for part in parts(SETTINGS)}


def environ(
    part: Part, ours: Mapping[str, str] = MappingProxyType({}), *, private: bool = True
) -> dict[str, str]:
    return environ_of(
        part,
        ours,
        home=Path("/srv/home"),
        secret_file=Path("/srv/home/jwt-secret"),
        private_database=private,
        dsn=lambda role: f"postgresql://{role}@/sonnette",
    )


def test_the_ready_line_names_every_address() -> None:
    assert ready_line("postgresql://postgres@/sonnette?host=/s", parts(SETTINGS)) == (
        "ready database=postgresql://postgres@/sonnette?host=/s service=http://127.0.0.1:8000 "
        "gateway=http://[::1]:9001 simulator=http://127.0.0.1:8002 poller=http://127.0.0.1:8003"
    )


@pytest.mark.parametrize("name", ["service", "gateway", "poller"])
def test_each_process_connects_as_its_own_role(name: str) -> None:
    assert environ(PARTS[name])["DATABASE_URL"] == f"postgresql://sonnette_{name}@/sonnette"


def test_the_simulator_is_told_of_no_database() -> None:
    ours = {"DATABASE_URL": "postgresql://u:p@h/d", "DATABASE_URL_FILE": "/run/dsn"}
    assert not {"DATABASE_URL", "DATABASE_URL_FILE"} & environ(PARTS["simulator"], ours).keys()


def test_only_the_service_serves_demo_tokens() -> None:
    with_demo = {name for name, part in PARTS.items() if "SONNETTE_DEMO" in environ(part)}
    assert with_demo == {"service"}


def test_the_secret_goes_by_file_unless_the_administrator_gave_one() -> None:
    assert environ(PARTS["gateway"])["SONNETTE_JWT_SECRET_FILE"] == "/srv/home/jwt-secret"
    for own in ("SONNETTE_JWT_SECRET", "SONNETTE_JWT_SECRET_FILE"):
        given = environ(PARTS["gateway"], {own: "theirs"})
        assert {name: given[name] for name in given if "JWT" in name} == {own: "theirs"}


def test_other_settings_are_handed_down() -> None:
    handed = environ(PARTS["gateway"], {"SONNETTE_LOG_LEVEL": "DEBUG", "PATH": "/bin"})
    assert handed["SONNETTE_LOG_LEVEL"] == "DEBUG"
    assert handed["PATH"] == "/bin"


def test_libpq_variables_reach_a_server_of_the_administrators_and_not_ours() -> None:
    assert "PGOPTIONS" not in environ(PARTS["gateway"], {"PGOPTIONS": "-c x=1"})
    assert "PGPASSFILE" in environ(PARTS["gateway"], {"PGPASSFILE": "/p"}, private=False)


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "ended with exit code 0"),
        (1, "ended with exit code 1"),
        (-9, "was killed by SIGKILL"),
        (-11, "was killed by SIGSEGV"),
        (-250, "was killed by signal 250"),
    ],
)
def test_how_a_process_ended_in_words(returncode: int, words: str) -> None:
    assert how_it_ended(returncode) == words


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://u:hush@h:5433/d", "postgresql://u@h:5433/d"),
        ("host=h dbname=d user=u password='h u'", "postgresql://u@h:5432/d"),
        (
            "postgresql://u@/d?host=/run/pg&sslpassword=hush",
            "postgresql://u@/d?host=%2Frun%2Fpg",
        ),
        ("host=a,b dbname=d", "postgresql:///d?host=a%2Cb"),
    ],
)
def test_a_dsn_is_shown_as_one_word_without_its_password(url: str, seen: str) -> None:
    assert shown(url) == seen
