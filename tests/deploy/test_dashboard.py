"""The dashboard queries existing metrics and labels, and is a valid Grafana dashboard."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

from api import event_stream
from lanewatch import metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = sorted({target["expr"] for panel in PANELS for target in panel["targets"]})
OF_PROMETHEUS = {"instance", "job", "le"}
SUFFIX = re.compile(r"_(total|bucket|sum|count)$")


def families() -> dict[str, set[str]]:
    """Labels of our metrics by family."""
    assert event_stream.SUBSCRIBERS is not None
    assert metrics.DROPPED is not None
    found: dict[str, set[str]] = {}
    for metric in set(REGISTRY._names_to_collectors.values()):
        name = getattr(metric, "_name", "")
        if name.startswith("lanewatch_"):
            found[name] = set(metric._labelnames)  # type: ignore[attr-defined]
    return found


FAMILIES = families()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_queries_existing_metrics_and_labels(expression: str) -> None:
    names = re.findall(r"lanewatch_\w+", expression)
    assert names
    labels = OF_PROMETHEUS.copy()
    for name in names:
        family = SUFFIX.sub("", name) if name not in FAMILIES else name
        assert family in FAMILIES, f"{name} is not one of our metrics"
        labels |= FAMILIES[family]
    queried = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
    queried |= set(re.findall(r"(\w+)=~?\"", expression))
    assert queried <= labels


def test_counters_are_queried_by_their_full_name() -> None:
    counters = {name for name, metric in vars(metrics).items() if type(metric).__name__ == "Counter"}
    names = {getattr(metrics, name)._name for name in counters}
    for expression in EXPRESSIONS:
        for name in re.findall(r"lanewatch_\w+", expression):
            assert name not in names, f"{name} is a counter: {name}_total"


def test_every_family_is_on_the_dashboard() -> None:
    text = " ".join(EXPRESSIONS)
    defined = {metric._name for metric in vars(metrics).values() if hasattr(metric, "_labelnames")}
    assert [name for name in sorted(defined) if name not in text] == []


def test_the_file_is_a_dashboard() -> None:
    assert DASHBOARD["title"] == "Lanewatch"
    assert DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert {"sample", "detect", "watch", "correlate", "serve", "Cameras"} <= set(rows)
    occupied: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & occupied, f"{panel['title']} overlaps another panel"
        assert place["x"] + place["w"] <= 24
        occupied |= cells
    for panel in PANELS:
        assert panel["type"] in {"timeseries", "stat", "table"}
        assert [target["refId"] for target in panel["targets"]] == sorted({t["refId"] for t in panel["targets"]})
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_the_scrape_example_has_loopback_targets() -> None:
    example = YAML(typ="safe").load((DEPLOY / "prometheus.yaml").read_text(encoding="utf-8"))
    targets = [
        target for job in example["scrape_configs"] for part in job["static_configs"] for target in part["targets"]
    ]
    assert len(targets) == 5
    assert all(target.startswith("127.0.0.1:") for target in targets)
