"""The dashboard and the alerts are whole, and ask for nothing that /metrics does not tell."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.coordinator import RunningCoordinator

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = re.compile(r"\b(?:pullyard|process|python)_[a-z_]+")
SELECTOR = re.compile(r"\b(pullyard_[a-z_]+)\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
PROMTOOL = shutil.which("promtool")
ANYWHERE = {"le", "instance", ""}


def dashboard() -> dict[str, Any]:
    return json.loads((DEPLOY / "grafana" / "pullyard.json").read_text())


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    yield from (rule["expr"] for rule in rules())


def told_names(metrics: str) -> set[str]:
    """The names of all series that the page declares, whether or not they have a value yet."""
    declared = re.findall(r"^# TYPE (\S+) (\S+)$", metrics, re.MULTILINE)
    # In this format a counter is declared under the name that its series has.
    return {
        name if kind == "counter" else name + suffix for name, kind in declared for suffix in SUFFIXES[kind]
    }


def base_of(name: str) -> str:
    return re.sub("_(total|bucket|sum|count)$", "", name)


async def test_every_expression_names_a_metric_that_is_told(coordinator: RunningCoordinator) -> None:
    page = (await coordinator.http.get("/metrics")).text
    known = told_names(page)
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert asked
    assert asked <= known


def test_every_label_that_is_asked_for_is_one_of_the_metric(coordinator: RunningCoordinator) -> None:
    described = coordinator.served.services.metrics.catalogue.described
    for expression in expressions():
        names = [name for name in NAME.findall(expression) if name.startswith("pullyard_")]
        known = ANYWHERE.union(*(described[base_of(name)].labels for name in names))
        for grouping in GROUPING.findall(expression):
            assert {label.strip() for label in grouping.split(",")} <= known, expression
        for name, selector in SELECTOR.findall(expression):
            labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", selector))
            assert labels <= set(described[base_of(name)].labels), expression


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = dashboard()
    assert board["title"]
    assert board["uid"]
    assert board["schemaVersion"] >= 36
    variables = {variable["name"]: variable["type"] for variable in board["templating"]["list"]}
    assert variables == {"datasource": "datasource"}
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert all(panel[part] for part in ("title", "description", "targets"))
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    alerts = rules()
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "action"}
        # Brackets that do not match are the mistake that a text editor makes.
        for opening, closing in ("()", "[]", "{}"):
            assert rule["expr"].count(opening) == rule["expr"].count(closing), rule["alert"]


def test_the_scrape_configuration_finds_the_rules() -> None:
    place = DEPLOY / "prometheus"
    config = yaml.safe_load((place / "prometheus.yml").read_text())
    assert all((place / file).exists() for file in config["rule_files"])
    (job,) = config["scrape_configs"]
    # The alert for a coordinator that is down names this job.
    assert any(f'up{{job="{job["job_name"]}"}}' in rule["expr"] for rule in rules())


@pytest.mark.skipif(PROMTOOL is None, reason="Prometheus' own checker is not installed")
def test_promtool_agrees() -> None:
    assert PROMTOOL is not None
    subprocess.run([PROMTOOL, "check", "rules", str(DEPLOY / "prometheus" / "alerts.yml")], check=True)
