from __future__ import annotations

import json
import logging
from typing import Literal

import pytest
from prometheus_client import REGISTRY, generate_latest

from lanewatch import logs, metrics


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_series_of_revoked_partitions_are_removed() -> None:
    metrics.set_assigned_partitions("t-held", "frames", {0, 1})
    metrics.LAG_RECORDS.labels("t-held", "frames", 0).set(5)
    metrics.LAG_RECORDS.labels("t-held", "frames", 1).set(7)
    metrics.set_assigned_partitions("t-held", "frames", {1})
    assert value("lanewatch_partitions", stage="t-held", topic="frames") == 1
    assert value("lanewatch_lag_records", stage="t-held", topic="frames", partition="0") is None
    assert value("lanewatch_lag_records", stage="t-held", topic="frames", partition="1") == 7
    assert value("lanewatch_rebalances_total", stage="t-held") == 2


def test_repeated_messages_are_logged_once_a_minute_with_their_count(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("lanewatch.metrics.time.monotonic", lambda: now[0])
    log = metrics.log("t-repeats")
    logged = []
    for _ in range(4):
        logged.append(metrics.log_throttled(log, "away", "the broker is away", partition=3))
        now[0] += 25
    metrics.reset_throttle(log, ["away"])
    logged.append(metrics.log_throttled(log, "away", "the broker is away"))
    assert logged == [True, False, False, True, True]
    assert [record.getMessage() for record in caplog.records] == [
        "the broker is away",
        "the broker is away (and 2 more like it)",
        "the broker is away",
    ]


def test_counters_have_no_creation_time() -> None:
    assert b"lanewatch" in generate_latest()
    assert b"_created" not in generate_latest()


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_log_line_has_its_fields(kind: Literal["text", "json"]) -> None:
    record = logging.LogRecord("lanewatch.watch", logging.WARNING, "", 0, "골목 %s", ("lane",), None)
    record.__dict__ |= {"camera": "lane", "topic": "t.frames", "partition": 3, "offset": 7}
    text = logs.formatter(kind).format(record)
    if kind == "text":
        assert text.endswith("WARNING lanewatch.watch: 골목 lane [topic=t.frames partition=3 offset=7]")
    else:
        line = json.loads(text)
        assert (line["message"], line["level"], line["camera"]) == ("골목 lane", "WARNING", "lane")
        assert (line["topic"], line["partition"], line["offset"]) == ("t.frames", 3, 7)
