"""How a camera's frames end: each is handed on, and where they break off, a last word says that no more come."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lanewatch import metrics
from lanewatch.records import Frame, SceneMeasurements
from streams.stages import Sample

log = metrics.log("sample")


def end_record(last: Frame) -> Frame | None:
    """The word that a camera ends after its last frame, so that what is open there expires; None if that was it."""
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


def play_to_end(sampler: Sample, hand_on: Callable[[Frame], bool], errors: dict[str, Exception]) -> None:
    """Hands a camera's frames on until it ends, or ``hand_on`` says that none are wanted any more.

    What breaks the camera is put into ``errors`` under its id and ends nothing else.
    """
    last: Frame | None = None
    try:
        for frame in sampler:
            last = frame
            if not hand_on(frame):
                return
    except Exception as error:  # noqa: BLE001 - whatever breaks one camera must not end the others
        errors[sampler.camera] = error
        metrics.DROPPED.labels("sample", sampler.camera, "failed").inc()
        log.error("camera %s ended: %s", sampler.camera, error)
        end = None if last is None else end_record(last)
        if end is not None:
            hand_on(end)
