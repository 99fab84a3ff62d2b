"""The dashboard asks for metrics that exist, by labels that they have, and is what Grafana takes."""

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
    """Our metrics' labels by the name of the family."""
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
def test_an_expression_asks_for_what_is_there(expression: str) -> None:
    names = re.findall(r"lanewatch_\w+", expression)
    assert names
    labels = OF_PROMETHEUS.copy()
    for name in names:
        family = SUFFIX.sub("", name) if name not in FAMILIES else name
        assert family in FAMILIES, f"{name} is no metric of ours"
        labels |= FAMILIES[family]
    asked = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
    asked |= set(re.findall(r"(\w+)=~?\"", expression))
    assert asked <= labels


def test_counters_are_asked_for_by_their_full_name() -> None:
    counters = {name for name, metric in vars(metrics).items() if type(metric).__name__ == "Counter"}
    names = {getattr(metrics, name)._name for name in counters}
    for expression in EXPRESSIONS:
        for name in re.findall(r"lanewatch_\w+", expression):
            assert name not in names, f"{name} is a counter: {name}_total"


def test_every_family_is_on_the_dashboard() -> None:
    text = " ".join(EXPRESSIONS)
    told = {metric._name for metric in vars(metrics).values() if hasattr(metric, "_labelnames")}
    assert [name for name in sorted(told) if name not in text] == []


def test_the_file_is_a_dashboard() -> None:
    assert DASHBOARD["title"] == "Lanewatch"
    assert DASHBOARD["schemaVersion"] >= 36
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert {"sample", "detect", "watch", "correlate", "serve", "Cameras"} <= set(rows)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, f"{panel['title']} lies over another panel"
        assert place["x"] + place["w"] <= 24
        taken |= cells
    for panel in PANELS:
        assert panel["type"] in {"timeseries", "stat", "table"}
        assert [target["refId"] for target in panel["targets"]] == sorted({t["refId"] for t in panel["targets"]})
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_the_scrape_example_is_read_by_its_own_terms() -> None:
    example = YAML(typ="safe").load((DEPLOY / "prometheus.yaml").read_text(encoding="utf-8"))
    targets = [one for job in example["scrape_configs"] for part in job["static_configs"] for one in part["targets"]]
    assert len(targets) == 5
    assert all(target.startswith("127.0.0.1:") for target in targets)
