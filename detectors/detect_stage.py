"""The detect stage: from frames of any cameras to detections. Pixels end here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from lanewatch import metrics
from lanewatch.boxes import areas, intersection_over_smaller
from lanewatch.records import UNKNOWN, Bool, Crop, Detections, Float32, Frame, Image
from models import appearance
from models.detection.base import Boxes, ObjectDetector, StreamingDetector
from models.pose import candidates
from models.pose.base import POINTS, PoseEstimator

UNKNOWN_SCORE: Final = 0.15
"""Of an unnamed moving object: below a detector's default minimum (.2), and enough for the tracker's second pass."""

COVERED: Final = 0.3
"""Share of the smaller box from which motion belongs to a named box, such as a shadow, legs, or a group's one name."""

MAX_AREA_RATIO: Final = 12.0
"""Motion does not belong to a named box that is larger by more than this factor: a person at a truck's tail is not the
truck, and a false box over half of the picture explains nothing. In caviar's lobby, every 5th frame, this triples the
people who are detected by motion only (34 to 104 of 497). On pets09-s2l1 it costs nothing."""

MAX_AREA: Final = 0.1
"""Share of the frame's area. A person near the camera fills .02 in pets09-s2l1 and .06 in caviar's lobby. Larger
motion is a headlight's beam or a change of the light."""

MIN_SIDE: Final = 1 / 48
"""Of the frame's height, for the shorter side: 12 px of 576. Thinner boxes are leaves, tape and noise: a third of the
unnamed motion on pets09-s2l1, and none of its people."""

MAX_ASPECT: Final = 4.0
"""Largest ratio of the sides; longer boxes are branches, wires or lines of noise."""

MAX_UNKNOWN: Final = 8
"""Unnamed boxes of one frame, the largest first. Rain and leaves make any number, unnamed people never more."""

_BORDER: Final = 0.01  # share of a crop's side: the crop's border may cut a box that is so near

log = metrics.log("detect")


class DetectStage:
    """Detects objects in frames and their crops, in one batch. It has no state.

    If the detector fails at a frame, only that frame's record gets the ``gap`` "failed", and it is counted. ``pose``
    estimates keypoints of people in unusual postures (``models.pose.candidates``).
    """

    def __init__(self, detector: ObjectDetector, pose: PoseEstimator | None = None) -> None:
        self._detector = detector
        self._pose = pose

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        """See ``streams.stages.Detect``. Ticks pass through, with their gap."""
        with metrics.STAGE_SECONDS.labels("detect").time():
            try:
                return list(self._detect(frames))
            except Exception:  # a network may raise anything: now each frame is tried alone
                log.exception("a batch of %d frames failed", len(frames))
                return [self._detect_alone(frame) for frame in frames]

    def _detect_alone(self, frame: Frame) -> Detections:
        try:
            return next(self._detect([frame]))
        except Exception:
            log.exception("camera %s: the frame of slot %d failed", frame.camera, frame.slot)
            metrics.DROPPED.labels("detect", frame.camera, "failed").inc()
            return Detections.empty(frame, model=self._detector.name, gap="failed", look=appearance.SIZE)

    def _detect(self, frames: Sequence[Frame]) -> Iterator[Detections]:
        views = [_views(frame) for frame in frames]
        images = [image for group in views for image, _ in group]
        # With a streaming detector, one frame is finished while the next ones are in work.
        results = iter(
            self._detector.stream(images) if isinstance(self._detector, StreamingDetector) else self._detector(images)
        )
        for frame, group in zip(frames, views, strict=True):
            yield self._finish(frame, [_in_frame(next(results), image, crop, frame) for image, crop in group])

    def _finish(self, frame: Frame, parts: list[Boxes]) -> Detections:
        empty = Detections.empty(frame, model=self._detector.name, look=appearance.SIZE)
        if frame.image is None:
            return empty
        if not parts:
            metrics.DROPPED.labels("detect", frame.camera, "unreadable").inc()
            return msgspec.structs.replace(empty, gap="unreadable")
        height, width = frame.image.shape[:2]
        named = Boxes.join(parts).inside(width, height)
        if len(parts) > 1:
            named = named.distinct()
        boxes = Boxes.join([named, unnamed_movers(frame, named)])
        pose_requested, keypoints = self._keypoints(frame.image, boxes)
        return msgspec.structs.replace(
            empty,
            xyxy=boxes.xyxy,
            scores=boxes.scores,
            labels=boxes.labels,
            appearance=appearance.describe(frame.image, boxes.xyxy),
            keypoints=keypoints,
            pose_requested=pose_requested,
            gap=None,
        )

    def _keypoints(self, image: Image, boxes: Boxes) -> tuple[Bool | None, Float32 | None]:
        """The boxes whose keypoints were requested, and the keypoints; None if there are none."""
        if self._pose is None:
            return None, None
        requested = candidates.unusual_posture(boxes.xyxy, boxes.scores, boxes.labels)
        if not requested.any():
            return None, None
        keypoints = np.zeros((len(boxes), POINTS, 3), np.float32)
        keypoints[requested] = self._pose(image, boxes.xyxy[requested])
        return requested, keypoints


def _views(frame: Frame) -> list[tuple[Image, Crop | None]]:
    """The picture and its crops; nothing if the picture is invalid."""
    if frame.image is None or not _is_picture(frame.image):
        return []
    return [(frame.image, None), *((crop.image, crop) for crop in frame.crops if _is_crop(crop))]


def _is_picture(image: Image) -> bool:
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0


def _is_crop(crop: Crop) -> bool:
    left, top, right, bottom = crop.box
    return _is_picture(crop.image) and bool(np.isfinite(crop.box).all()) and right > left and bottom > top


def _in_frame(boxes: Boxes, image: Image, crop: Crop | None, frame: Frame) -> Boxes:
    """A view's boxes in pixels of the frame, without those that a crop's border may have cut."""
    if crop is None:
        return boxes
    height, width = image.shape[:2]
    left, top, right, bottom = crop.box
    inner = np.array((left > 0, top > 0, right < frame.width, bottom < frame.height))
    margin = np.array((width, height, width, height), np.float32) * _BORDER
    depth = np.concatenate((boxes.xyxy[:, :2], (width, height) - boxes.xyxy[:, 2:]), axis=1)
    whole = ~((depth <= margin) & inner).any(axis=1)
    scale = np.array(((right - left) / width, (bottom - top) / height) * 2, np.float32)
    origin = np.array((left, top, left, top), np.float32)
    xyxy: Float32 = boxes.xyxy[whole] * scale + origin
    return Boxes(xyxy, boxes.scores[whole], boxes.labels[whole])


def unnamed_movers(frame: Frame, named: Boxes) -> Boxes:
    """Motion in a frame that belongs to none of the detector's boxes: small or dark people, and untrained classes."""
    if not frame.scene.moved:
        return Boxes.empty()
    moved: Float32 = np.array(frame.scene.moved, np.float32).reshape(-1, 4)
    moved = moved[np.isfinite(moved).all(axis=1)].clip(0, (frame.width, frame.height) * 2)
    size, sides = areas(moved), moved[:, 2:] - moved[:, :2]
    short, long = sides.min(axis=1), sides.max(axis=1)
    plausible = (short >= MIN_SIDE * frame.height) & (long <= MAX_ASPECT * short)
    plausible &= size <= MAX_AREA * frame.width * frame.height
    covers = intersection_over_smaller(moved, named.xyxy) >= COVERED
    covers &= areas(named.xyxy) <= MAX_AREA_RATIO * size[:, None]
    rows = np.flatnonzero(plausible & ~covers.any(axis=1))
    rows = rows[np.argsort(-size[rows], kind="stable")][:MAX_UNKNOWN]
    return Boxes(
        moved[rows].astype(np.float32),
        np.full(len(rows), UNKNOWN_SCORE, np.float32),
        np.full(len(rows), UNKNOWN, np.uint8),
    )
