"""docs/metrics.md has each metric that is served, with type and labels; alerts name only those."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry

from gateway.metrics import Metrics as GatewayMetrics
from poller.metrics import Metrics as PollerMetrics
from process.watch import Watch
from service.metrics import Metrics as ServiceMetrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (gauge|counter|histogram) \| (.*?)\| \S", re.MULTILINE)
NAME = re.compile(r"\b(?:sonnette|provider)_\w+")


Kind = tuple[str, tuple[str, ...]]  # its type, and its labels


def kinds(registry: CollectorRegistry) -> dict[str, Kind]:
    """Each metric by the name under which it is asked for.

    What has labels and was never counted serves nothing yet, so the collectors are asked.
    """
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            tuple(getattr(collector, "_labelnames", ())),
        )
        for collector in registry._collector_to_names
        for family in collector.collect()
    }


def listed() -> list[tuple[str, Kind]]:
    """What the page says, in its order."""
    rows = ROW.findall(PAGE)
    return [(name, (kind, tuple(re.findall(r"\w+", labels)))) for name, kind, labels in rows]


@pytest.fixture
def served() -> dict[str, Kind]:
    """What the three processes serve together."""
    return (
        _watched("gateway", GatewayMetrics().registry)
        | _watched("service", ServiceMetrics().registry)
        | _watched("poller", PollerMetrics().registry)
    )


def test_the_page_has_each_metric_with_its_labels_and_no_other(served: dict[str, Kind]) -> None:
    assert dict(listed()) == served
    assert len(listed()) == len(served), "one is listed twice"


def test_alerts_are_rules_about_metrics_that_there_are(served: dict[str, Kind]) -> None:
    rules = [rule for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 0
    suffixed = {f"{name}_bucket" for name, (kind, _) in served.items() if kind == "histogram"}
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "warn")
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert set(NAME.findall(rule["expr"])) <= served.keys() | suffixed, rule["alert"]


def test_what_the_page_calls_an_alarm_has_a_rule() -> None:
    ruled = {name.removesuffix("_bucket") for name in NAME.findall(ALERTS)}
    rows = [line for line in PAGE.splitlines() if ROW.match(line)]
    alarming = [line for line in rows if re.search(r"\b(is|are) an alarm|: an alarm", line)]
    assert alarming
    assert {NAME.findall(line)[0] for line in alarming} <= ruled


def _watched(kind: str, registry: CollectorRegistry) -> dict[str, Kind]:
    Watch(kind, "", [], on_ring=lambda *_ring: None, on_listening=_nothing, registry=registry)
    return kinds(registry)


async def _nothing() -> None:
    return
