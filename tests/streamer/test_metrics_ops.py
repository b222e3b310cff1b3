"""The dashboard, the alert rules and the scrape configuration, against real metrics and Prometheus' own tools."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer.metrics import LiveMetrics
from tests.helpers.metered import live_through_everything
from tests.helpers.peers import program

OPS = Path(__file__).parents[2] / "web" / "ops"
RULES = OPS / "facelane.rules.yml"
DASHBOARD = OPS / "facelane.dashboard.json"
METRIC = re.compile(r"\b(?:facelane|process)_[a-z_]+\b")


def rendered() -> bytes:
    metrics = LiveMetrics()
    live_through_everything(metrics.stream("door"))
    return metrics.render()


def promtool(*words: str | Path, given: bytes | None = None) -> str:
    done = subprocess.run([program("promtool"), *words], input=given, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def panels() -> Iterator[dict[str, Any]]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        if panel["type"] != "row":
            yield panel


def test_the_metrics_are_as_prometheus_wants_them() -> None:
    """It says nothing where it finds nothing, not even about names."""
    assert promtool("check", "metrics", given=rendered()) == ""


def test_the_rules_are_right_and_each_fires_where_it_should() -> None:
    assert "SUCCESS: 9 rules found" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", OPS / "facelane.rules.test.yml")


def test_every_rule_has_a_case_in_which_it_fires() -> None:
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    cases = (OPS / "facelane.rules.test.yml").read_text()
    fired = re.findall(r'ALERTS\{alertname="(\w+)", alertstate="firing"\}\).*exp_samples: \[\{', cases)
    assert alerts == set(fired)


def test_the_scrape_configuration_is_right(tmp_path: Path) -> None:
    for path in OPS.glob("*.yml"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "facelane.token").write_text("secret")
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=["rules", "dashboard"])
def test_every_metric_that_is_asked_for_exists(path: Path) -> None:
    families = list(text_string_to_metric_families(rendered().decode()))
    there = {sample.name for family in families for sample in family.samples}
    asked = set(METRIC.findall(path.read_text()))
    assert len(asked) >= 10
    assert asked <= there


def test_the_dashboard_shows_every_metric_of_a_stream() -> None:
    families = list(text_string_to_metric_families(rendered().decode()))
    shown = DASHBOARD.read_text()
    assert [family.name for family in families if family.name.startswith("facelane") and family.name not in shown] == []


def test_the_dashboard_can_be_imported_anywhere() -> None:
    """Grafana takes a dashboard without an id, and asks for the data source that the panels name by a variable."""
    dashboard = json.loads(DASHBOARD.read_text())
    assert "id" not in dashboard
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "instance", "stream"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert titles == ["Streams", "Latency", "Faces", "Drops", "Viewers", "Machine"]


def test_no_panel_lies_upon_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & mine, panel["title"]
        taken |= mine
