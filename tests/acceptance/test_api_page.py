"""docs/api.md tells the truth: each of its examples is run, and answers what stands below it.

What differs from run to run (ids, times, numbers, amounts) is compared by kind; `...` in the page
stands for anything. The examples run in the page's order against one `sonnette run`.
"""

import json
import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.facts import wait_until
from tests.fixtures.running import Running
from tests.needs import needs_curl

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
LIMIT_S = 60
ANYTHING = "..."
FIXED_NUMBERS = frozenset({"status", "expires_in"})
NUMBER = {"service_code": "wa", "country_code": "6"}

# What differs from run to run, and the word that stands for it.
KINDS = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "<time>"),
    (r"\b[0-9a-f]{32}\b", "<request>"),
    (r"\b[0-9a-f]{16}\b", "<epoch>"),
    (r"\b\d+\.\d\d\b", "<money>"),
    (r"\b\d{6,}\b", "<digits>"),
)


@dataclass(frozen=True)
class Example:
    """A command of the page and what stands below it."""

    command: str
    output: str


def sections() -> dict[str, list[Example]]:
    """The `$ curl` examples below each heading of the page, in order."""
    parts = re.split(r"^## (.*)\n", PAGE.read_text(), flags=re.MULTILINE)
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {title: of for title, text in found if (of := list(examples(text)))}


def examples(text: str) -> Iterator[Example]:
    """The commands of the indented blocks, each with what follows it there."""
    for block in re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE):
        for example in re.split(r"^\$ ", textwrap.dedent(block), flags=re.MULTILINE)[1:]:
            command, output = re.split(r"(?<!\\)\n", example, maxsplit=1)
            yield Example(command, output.strip())


class Customer:
    """Alice, who has numbers in the state that an example needs."""

    def __init__(self, running: Running) -> None:
        self.token = running.verb("token", "alice").stdout.strip()
        self.url = running.fact("service")
        self._client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, trust_env=False
        )
        self._last = ""

    def activation_for(self, command: str) -> str:
        """The id of one as the command needs it."""
        if "/cancel" in command:
            if self._status(self._last) != "cancelled":
                self._last = self._buy()
            return self._last
        return self.received()

    def received(self) -> str:
        """One that has its code."""
        bought = self._buy()
        wait_until(lambda: self._status(bought) == "received", LIMIT_S)
        return bought

    def close(self) -> None:
        """No more connections."""
        self._client.close()

    def _buy(self) -> str:
        answer = self._client.post("/v1/activations", json=NUMBER, headers={"Prefer": "wait=30"})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    def _status(self, activation: str) -> str:
        return str(self._client.get(f"/v1/activations/{activation}").json().get("status"))


@pytest.fixture(scope="module")
def customer(running: Running) -> Iterator[Customer]:
    """The user of the page's examples."""
    alice = Customer(running)
    alice.received()  # the first changes on the page are those of a purchase
    yield alice
    alice.close()


def run(command: str, customer: Customer) -> str:
    """What the command prints."""
    names = {"S": customer.url, "T": customer.token}
    if "$A" in command:
        names["A"] = customer.activation_for(command)
    done = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": os.environ["PATH"], **names},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.replace("\r\n", "\n").strip()


@needs_curl
@pytest.mark.parametrize("section", sections())
def test_each_example_of_the_page_is_answered_as_it_says(customer: Customer, section: str) -> None:
    for example in sections()[section]:
        printed = run(example.command, customer)
        if example.output.startswith("{"):
            assert_like(json.loads(printed), parsed(example.output))
        elif example.output.startswith("HTTP/"):
            assert_answer_like(printed, example.output)
        else:
            assert_lines_like(printed, example.output)


def test_there_are_examples_of_every_call() -> None:
    of_all = [example for section in sections().values() for example in section]
    commands = " ".join(example.command for example in of_all)
    for call in (
        "/v1/me",
        "/v1/offers",
        "/v1/activations",
        "/check",
        "/cancel",
        "/finish",
        "/another",
        "/recover",
        "/functions/v1/check-sms-activate-status",
        "/functions/v1/update-activation-sms",
        "/webhooks/",
    ):
        assert call in commands
    for call in ("/v1/changes", "/v1/events", "/v1/token", "/readyz", "/openapi.json"):
        assert call in commands
    assert len(of_all) == 29


def assert_answer_like(printed: str, told: str) -> None:
    head, _, body = printed.partition("\n\n")
    told_head, told_body = re.split(r"\n(?:\.\.\.)?\n", told, maxsplit=1)
    status, *headers = told_head.splitlines()
    assert head.splitlines()[0] == status
    lines = {kind_of(line).lower() for line in head.splitlines()}
    for header in headers:
        assert kind_of(header).lower() in lines
    assert_like(json.loads(body), parsed(told_body))


def assert_lines_like(printed: str, told: str) -> None:
    told_lines = told.removesuffix(f"\n{ANYTHING}").splitlines()
    lines = printed.splitlines()
    assert len(lines) >= len(told_lines), printed
    for line, told_line in zip(lines, told_lines, strict=False):
        if told_line.startswith("data: "):
            assert_like(
                json.loads(line.removeprefix("data: ")), parsed(told_line.removeprefix("data: "))
            )
        else:
            assert kind_of(line) == kind_of(told_line)


def parsed(text: str) -> Any:
    """The page's JSON; an object with `...` in it gets that as a member."""
    return json.loads(re.sub(r",\s*\.\.\.(?=[,}])", f', "{ANYTHING}": 0', text))


def assert_like(value: Any, told: Any, name: str = "") -> None:
    """`value` is what the page tells, where it tells something."""
    if told == ANYTHING:
        return
    assert told is None or type(value) is type(told), name
    if isinstance(told, dict):
        names = told.keys() - {ANYTHING}
        assert names <= value.keys() if ANYTHING in told else names == value.keys()
        for each in names:
            assert_like(value[each], told[each], each)
    elif isinstance(told, list):
        assert len(value) >= len(told)
        for one, told_one in zip(value, told, strict=False):
            assert_like(one, told_one, name)
    elif isinstance(told, str):
        assert kind_of(value) == kind_of(told), name
    elif isinstance(told, bool) or name in FIXED_NUMBERS:
        assert value == told, name


def kind_of(text: str) -> str:
    """The text with all that differs from run to run named by its kind."""
    for pattern, kind in KINDS:
        text = re.sub(pattern, kind, text)
    return re.sub(r"(?<=: )\d+$", "<number>", text)
