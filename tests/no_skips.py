"""A pytest plugin: with `--no-skips` each skip is a failure that gives the skip's reason.

For `.ci/run`, which promises to skip nothing; `make test` skips and lists what a machine lacks.
"""

from collections.abc import Generator

import pytest

OPTION = "--no-skips"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="fail each test that would be skipped")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # An expected failure is reported as a skip too; it did run.
    if report.skipped and not hasattr(report, "wasxfail"):
        _fail(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _fail(collector.config, report)
    return report


def _fail(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport) -> None:
    if not config.getoption(OPTION):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"nothing may be skipped here: {reason}"
