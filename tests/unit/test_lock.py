"""requirements.lock serves each Python that pyproject.toml names, also those that are not here.

What the pinned packages need and on which Python they run is read from their own metadata.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CLASSIFIER = "Programming Language :: Python :: 3."
PYTHONS = [f"3.{one.removeprefix(CLASSIFIER)}" for one in PROJECT["classifiers"]
           if one.startswith(CLASSIFIER)]  # fmt: skip
PIN = re.compile(r"^([\w.-]+==[^\\\n]+?) *\\?$", re.MULTILINE)


def pins(python: str) -> dict[str, str]:
    """The version of each package that the lock gives to this Python."""
    lines = map(Requirement, PIN.findall((ROOT / "requirements.lock").read_text("utf-8")))
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in lines
        if wanted(one, python, "")
    }


def wanted(requirement: Requirement, python: str, extra: str) -> bool:
    """Whether its marker holds on this Python."""
    where = {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
    if requirement.marker is None:
        return True
    return requirement.marker.evaluate(dict(default_environment()) | where)  # type: ignore[arg-type]


def needed_by(name: str, extras: frozenset[str], python: str) -> Iterator[Requirement]:
    """What a package needs on this Python; nothing of one that is not installed on ours."""
    try:
        asked = requires(name) or []
    except PackageNotFoundError:
        return
    for one in map(Requirement, asked):
        if any(wanted(one, python, extra) for extra in extras | {""}):
            yield one


def all_needed(python: str) -> Iterator[Requirement]:
    """What the project, with all its extras, needs on this Python, and what that needs."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    open_ones = [Requirement(text) for texts in lists for text in texts]
    seen = set()
    while open_ones:
        one = open_ones.pop()
        yield one
        key = canonicalize_name(one.name), frozenset(one.extras)
        if key not in seen:
            seen.add(key)
            open_ones += needed_by(*key, python)


@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_is_needed_is_pinned_in_a_version_that_fits(python: str) -> None:
    pinned = pins(python)
    for one in all_needed(python):
        version = pinned.get(canonicalize_name(one.name))
        assert version is not None, f"{one} is not in requirements.lock; run `make lock`"
        assert one.specifier.contains(version, prereleases=True), f"{one}, but {version} is locked"


@pytest.mark.parametrize("python", PYTHONS)
def test_each_pinned_package_says_that_it_runs_there(python: str) -> None:
    checked = 0
    for name in pins(python):
        try:
            runs_on = str(metadata(name).json.get("requires_python", ""))
        except PackageNotFoundError:
            continue
        checked += 1
        assert SpecifierSet(runs_on).contains(f"{python}.9"), f"{name} runs on {runs_on}"
    assert checked > len(pins(python)) / 2


def test_the_oldest_named_python_is_the_oldest_that_is_taken() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
