"""Plays a camera to its end. After a failure it sends a last record, so that open events expire."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lanewatch import metrics
from lanewatch.records import Frame, SceneMeasurements
from streams.stages import Sample

log = metrics.log("sample")


def end_record(last: Frame) -> Frame | None:
    """The record ``ended`` after a camera's last frame; None if that is one already."""
    if last.gap == "ended":
        return None
    return msgspec.structs.replace(
        last,
        slot=last.slot + 1,
        captured_at=last.captured_at + 0.001,
        image=None,
        crops=(),
        packed=None,
        scene=SceneMeasurements(),
        gap="ended",
    )


def play_to_end(sampler: Sample, emit: Callable[[Frame], bool], errors: dict[str, Exception]) -> None:
    """Emits a camera's frames until it ends or ``emit`` returns False. ``errors`` gets its error, by its id."""
    last: Frame | None = None
    try:
        for frame in sampler:
            last = frame
            if not emit(frame):
                return
    except Exception as error:  # noqa: BLE001 - an error of one camera must not end the others
        errors[sampler.camera] = error
        metrics.DROPPED.labels("sample", sampler.camera, "failed").inc()
        log.error("camera %s ended: %s", sampler.camera, error)
        end = None if last is None else end_record(last)
        if end is not None:
            emit(end)
