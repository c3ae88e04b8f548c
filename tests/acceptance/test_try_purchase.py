"""`sonnette try-purchase` against the simulator: a real row, a real poller, a real command."""

import re
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import psycopg
import pytest

from sonnette.trial import USER
from tests.facts import wait_until
from tests.fixtures.running import SONNETTE, Running

WORDS = ("try-purchase", "simulator", "wa", "6", "--max-price", "1.00")


@pytest.fixture
def simulator(running: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.fact("simulator"), trust_env=False) as client:
        yield client
        client.delete("/sim/script")


@pytest.fixture(autouse=True)
def nothing_is_left_over(running: Running) -> Iterator[None]:
    """The trial's user ends as it began: without money."""
    yield
    query = "select balance - frozen from public.wallets where user_id = %s"
    with psycopg.connect(running.fact("database")) as db:
        available = db.execute(query, (USER,)).fetchone() or [Decimal(0)]
    assert available[0] == 0


def script(simulator: httpx.Client, **said: object) -> None:
    assert simulator.post("/sim/script", json=said).status_code == 204


def numbers(simulator: httpx.Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = simulator.get("/sim/numbers").json()["items"]
    return found


def words_of(text: str) -> list[str]:
    """The lines without their numbers and times."""
    return [re.sub(r"^ *[0-9]+ [0-9:]{8} ", "", line) for line in text.splitlines()]


def begun(running: Running, tmp_path: Path, *words: str) -> tuple[subprocess.Popen[bytes], Path]:
    """The command under way, and the file that it writes into."""
    out = tmp_path / "out"
    with out.open("w") as file:
        started = subprocess.Popen(
            [SONNETTE, *words], env=running.environ, stdout=file, stderr=subprocess.STDOUT
        )
    return started, out


def test_a_trial_shows_the_number_the_sms_and_the_end(
    running: Running, simulator: httpx.Client
) -> None:
    script(simulator, delay_s=0.5, code="358042", times=1)
    said = running.verb(*WORDS)
    assert (said.returncode, said.stderr) == (0, "")
    lines = words_of(said.stdout)
    assert lines[0] == "requested: wa in 6 at simulator, 0.50 frozen"
    assert re.fullmatch(
        r"pending: 628[0-9]{9}, can be cancelled from [0-9:]{8} on, ends at [0-9:]{8}", lines[1]
    )
    assert "SMS: code 358042, text Your code is 358042" in lines
    assert "received: 0.50 paid" in lines
    assert lines[-2:] == ["completed", "the account sold a number, brought its SMS and closed it"]
    assert numbers(simulator)[-1]["state"] == "finished"


def test_a_number_without_an_sms_is_given_back_at_the_end_of_the_wait(
    running: Running, simulator: httpx.Client
) -> None:
    script(simulator, never=True, times=1)
    said = running.verb(*WORDS, "--wait", "1s")
    assert (said.returncode, said.stderr) == (1, "")
    assert words_of(said.stdout)[2:] == [
        "cancelling",
        "cancelled: 0.50 given back",
        "the account sold a number, and it was given back without an SMS",
    ]
    assert numbers(simulator)[-1]["state"] == "cancelled"


def test_ctrl_c_gives_the_number_back(
    running: Running, simulator: httpx.Client, tmp_path: Path
) -> None:
    script(simulator, never=True, times=1)
    started, out = begun(running, tmp_path, *WORDS)
    wait_until(lambda: "pending: 628" in out.read_text())
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 1
    assert "cancelled: 0.50 given back" in out.read_text()
    assert numbers(simulator)[-1]["state"] == "cancelled"


def test_a_cancel_that_is_too_early_is_waited_for_and_a_second_ctrl_c_leaves_it(
    running: Running, simulator: httpx.Client, tmp_path: Path
) -> None:
    script(simulator, never=True, cancel_after_s=120, times=1)
    started, out = begun(running, tmp_path, *WORDS)
    wait_until(lambda: "pending: 628" in out.read_text())
    started.send_signal(signal.SIGINT)
    wait_until(lambda: "giving it back in 1" in out.read_text())
    assert "pending: cancel_too_early" in out.read_text()
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 1
    assert re.search(r"left while it is pending; activation [0-9a-f-]{36} goes on", out.read_text())
    assert numbers(simulator)[-1]["state"] == "active"


def test_a_purchase_that_fails_says_why(running: Running, simulator: httpx.Client) -> None:
    script(simulator, action="getNumberV2", error="NO_NUMBERS", times=1)
    said = running.verb(*WORDS)
    assert said.returncode == 1
    assert words_of(said.stdout)[-2:] == [
        "failed: no_numbers",
        "the account sold no number, and nothing was paid",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("simulator", "wa", "6", "--max-price", "0.49"), "it costs 0.50 now, over --max-price"),
        (("simulator", "zz", "6", "--max-price", "1"), "account simulator offers no zz in 6"),
        (("nobody", "wa", "6", "--max-price", "1"), "account nobody offers no wa in 6"),
    ],
)
def test_what_is_not_to_be_had_is_not_bought(
    running: Running, simulator: httpx.Client, words: tuple[str, ...], sentence: str
) -> None:
    before = len(numbers(simulator))
    said = running.verb("try-purchase", *words)
    assert (said.returncode, said.stdout) == (1, "")
    assert sentence in said.stderr
    assert len(numbers(simulator)) == before
