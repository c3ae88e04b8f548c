"""The alert rules, by Prometheus' own promtool: each is there when it should be, and not before."""

import shutil
import subprocess
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from tests.needs import needs_promtool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = Path(__file__).with_name("alerts_test.yml")


def promtool(folder: Path, *words: str) -> None:
    told = subprocess.run(
        ["promtool", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


@needs_promtool
def test_each_alert_is_there_when_it_should_be_and_not_before(tmp_path: Path) -> None:
    for file in (RULES, CASES):
        shutil.copy(file, tmp_path)
    promtool(tmp_path, "check", "rules", RULES.name)
    promtool(tmp_path, "test", "rules", CASES.name)


def test_each_alert_has_a_case_in_which_it_is_there_and_one_in_which_it_is_not() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"]
    cases = [
        case
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    alerts = {rule["alert"] for group in rules for rule in group["rules"]}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts
