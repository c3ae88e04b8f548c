"""docs/reliability.md has a row for each of the 55 faults, and each names tests that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
FAULTS = range(1, 56)
ROW = re.compile(r"^\| (\d+) \|(?:[^|]*\|){4}$", re.MULTILINE)


def rows() -> dict[int, str]:
    """The table's rows by the number of their fault."""
    table = PAGE.partition("## The faults")[2].partition("\n## ")[0]
    return {int(found[1]): found[0] for found in ROW.finditer(table)}


def defined_in(file: str) -> set[str]:
    """The names of the tests in a file of tests/chaos."""
    tree = ast.parse((ROOT / "tests" / "chaos" / file).read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


def test_each_fault_has_a_row_in_order() -> None:
    assert list(rows()) == list(FAULTS)


def test_each_row_names_a_test_of_its_fault_that_is_there() -> None:
    for number, row in rows().items():
        file, *names = re.findall(r"`(test_\w+(?:\.py)?)`", row)
        assert names, row
        assert set(names) <= defined_in(file), row
        assert all(name.startswith(f"test_fault_{number:02}_") for name in names), row


def test_each_test_of_a_fault_is_named_in_its_row() -> None:
    files = sorted((ROOT / "tests" / "chaos").glob("test_*.py"))
    there = {
        name for file in files for name in defined_in(file.name) if name.startswith("test_fault_")
    }
    named = set(re.findall(r"test_fault_\w+", "".join(rows().values())))
    assert there == named
