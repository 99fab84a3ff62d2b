from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from detectors.watch_stage import WatchStage
from lanewatch.records import Gap
from streams.local.instrumented_watch import InstrumentedWatch
from tests.detectors import walker_records


def counted(metric: str, camera: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"camera": camera, **labels}) or 0.0


def test_unobserved_time_and_skipped_records_are_counted_by_reason() -> None:
    """After a handover, late records of the old sampler are skipped and counted."""
    site = walker_records.site()
    camera = site.cameras[0].id
    watcher, instrumented = WatchStage(site), InstrumentedWatch()  # type: ignore[var-annotated]
    state = watcher.start(camera)
    before = {
        reason: counted("lanewatch_unwatched_seconds_total", camera, reason=reason) for reason in ("hole", "shed")
    } | {
        reason: counted("lanewatch_dropped_total", camera, stage="watch", reason=reason)
        for reason in ("stale", "duplicate")
    }

    def step(at: float, epoch: int, gap: Gap | None = None) -> None:
        nonlocal state
        state, _ = instrumented.step(watcher, state, walker_records.make_record(at, epoch=epoch, gap=gap))

    step(0.0, 1)
    step(1.0, 1, "idle")
    step(7.0, 2)  # six seconds later, from the new sampler
    step(3.0, 1)  # late, from the old sampler
    step(7.0, 2)
    step(7.5, 2, "shed")
    step(8.0, 2, "shed")
    now = {reason: counted("lanewatch_unwatched_seconds_total", camera, reason=reason) for reason in ("hole", "shed")}
    assert now["hole"] - before["hole"] == pytest.approx(6.0)
    assert now["shed"] - before["shed"] == pytest.approx(1.0)
    for reason in ("stale", "duplicate"):
        assert counted("lanewatch_dropped_total", camera, stage="watch", reason=reason) - before[reason] == 1
