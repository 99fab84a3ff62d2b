from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from detectors.watch_stage import WatchStage
from lanewatch.records import Gap
from streams.local.instrumented_watch import InstrumentedWatch
from tests.detectors import walker_records


def counted(metric: str, camera: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"camera": camera, **labels}) or 0.0


def test_time_that_nobody_watched_and_records_that_were_not_taken_are_counted_by_reason() -> None:
    """A sampler that hands over with records still on their way: what of it comes late is of no use, and is said."""
    site = walker_records.site()
    camera = site.cameras[0].id
    watcher, judging = WatchStage(site), InstrumentedWatch()  # type: ignore[var-annotated]
    state = watcher.start(camera)
    before = {
        reason: counted("lanewatch_unwatched_seconds_total", camera, reason=reason) for reason in ("hole", "shed")
    } | {
        reason: counted("lanewatch_dropped_total", camera, stage="watch", reason=reason)
        for reason in ("stale", "duplicate")
    }

    def judge(at: float, epoch: int, gap: Gap | None = None) -> None:
        nonlocal state
        state, _ = judging.step(watcher, state, walker_records.record(at, epoch=epoch, gap=gap))

    judge(0.0, 1)
    judge(1.0, 1, "idle")
    judge(7.0, 2)  # six seconds later, from a successor
    judge(3.0, 1)  # and now what the one before it had sent
    judge(7.0, 2)
    judge(7.5, 2, "shed")
    judge(8.0, 2, "shed")
    now = {reason: counted("lanewatch_unwatched_seconds_total", camera, reason=reason) for reason in ("hole", "shed")}
    assert now["hole"] - before["hole"] == pytest.approx(6.0)
    assert now["shed"] - before["shed"] == pytest.approx(1.0)
    for reason in ("stale", "duplicate"):
        assert counted("lanewatch_dropped_total", camera, stage="watch", reason=reason) - before[reason] == 1
