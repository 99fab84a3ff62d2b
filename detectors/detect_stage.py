"""The detect stage: frames of any cameras in, what is in them out. Pixels end here.

Two looks of the records it writes are compared by ``models.appearance.similarity``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from lanewatch import metrics
from lanewatch.boxes import areas, intersection_over_smaller
from lanewatch.records import UNKNOWN, Bool, Crop, Detections, Float32, Frame, Image
from models import appearance
from models.detection.base import Boxes, ObjectDetector, StreamingDetector
from models.pose import candidates
from models.pose.base import POINTS, PoseEstimator

UNKNOWN_SCORE: Final = 0.15
"""The score of what moved and has no name. Below the lowest that a detector is asked for by default (.2): a name always
weighs more than movement; not so low that a tracker's second pass would not take it."""

COVERED: Final = 0.3
"""What moved has a name when it and a named box share this much of the smaller one: a shadow or a pair of legs is less
than its person, and a group that moves as one is more than the one of it that was named."""

HIDES: Final = 12.0
"""A named box more than this many times as large as what moved does not name it: somebody at a truck's tail is not the
truck, and a false box over half of the picture names nothing. In caviar's lobby, every 5th frame, this triples the
people whom only their movement shows (34 to 104 of 497); on pets09-s2l1 it costs nothing."""

LARGEST: Final = 0.1
"""Of the frame's area. In pets09-s2l1 a person near the camera fills .02, in caviar's lobby .06; a car that fills more
than this has a name, and what is still larger is a headlight's beam or the light."""

SMALLEST: Final = 1 / 48
"""Of the frame's height, for the shorter side: 12 px of 576. What is thinner is leaves, tape and noise: a third of what
moves unnamed on pets09-s2l1, and none of its people."""

FLATTEST: Final = 4.0
"""Width by height, or height by width, beyond which what moved is a branch, a wire or a line of noise."""

MOST_UNKNOWN: Final = 8
"""Unknowns of one frame, the largest first: rain and leaves make any number, people none beyond this unnamed."""

_CUT: Final = 0.01  # of a crop's side: a box that comes so near to it may go on beyond it

log = metrics.log("detect")


class DetectStage:
    """Looks at frames and their crops in one batch of the detector. Holds no state.

    A frame that the detector fails on costs itself only: it comes out with ``gap="failed"`` and is counted.
    """

    def __init__(self, detector: ObjectDetector, pose: PoseEstimator | None = None) -> None:
        """Ready to be called.

        Args:
            detector: finds people and things.
            pose: asked for the joints of people who look odd by themselves (``models.pose.candidates``); nobody's if None.
        """
        self._detector = detector
        self._pose = pose

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        """See ``streams.stages.Detect``. Ticks pass through, with their gap."""
        with metrics.STAGE_SECONDS.labels("detect").time():
            try:
                seen = list(self._look(frames))
            except Exception:  # whatever a network raises: each frame is tried alone then, so that one costs one
                log.exception("a batch of %d frames failed", len(frames))
                seen = [self._alone(frame) for frame in frames]
        return seen

    def _alone(self, frame: Frame) -> Detections:
        try:
            return next(self._look([frame]))
        except Exception:
            log.exception("camera %s: the frame of slot %d failed", frame.camera, frame.slot)
            metrics.DROPPED.labels("detect", frame.camera, "failed").inc()
            return Detections.empty(frame, model=self._detector.name, gap="failed", look=appearance.SIZE)

    def _look(self, frames: Sequence[Frame]) -> Iterator[Detections]:
        views = [_views(frame) for frame in frames]
        images = [image for group in views for image, _ in group]
        # Where the detector hands out results as they come, one frame is finished while the next are looked at.
        results = iter(
            self._detector.stream(images) if isinstance(self._detector, StreamingDetector) else self._detector(images)
        )
        for frame, group in zip(frames, views, strict=True):
            yield self._finish(frame, [_placed(next(results), image, crop, frame) for image, crop in group])

    def _finish(self, frame: Frame, parts: list[Boxes]) -> Detections:
        if frame.image is None:
            return Detections.empty(frame, model=self._detector.name, look=appearance.SIZE)
        if not parts:
            metrics.DROPPED.labels("detect", frame.camera, "unreadable").inc()
            return Detections.empty(frame, model=self._detector.name, gap="unreadable", look=appearance.SIZE)
        height, width = frame.image.shape[:2]
        named = Boxes.join(parts).inside(width, height)
        if len(parts) > 1:
            named = named.distinct()
        boxes = Boxes.join([named, unnamed_movers(frame, named)])
        asked, keypoints = self._joints(frame.image, boxes)
        return Detections(
            camera=frame.camera,
            epoch=frame.epoch,
            slot=frame.slot,
            captured_at=frame.captured_at,
            received_at=frame.received_at,
            width=frame.width,
            height=frame.height,
            xyxy=boxes.xyxy,
            scores=boxes.scores,
            labels=boxes.labels,
            appearance=appearance.describe(frame.image, boxes.xyxy),
            keypoints=keypoints,
            pose_requested=asked,
            profile=frame.profile,
            scene=frame.scene,
            model=self._detector.name,
        )

    def _joints(self, image: Image, boxes: Boxes) -> tuple[Bool | None, Float32 | None]:
        """Of whom joints were asked for, and the joints; None where there is nobody to ask or nobody was odd."""
        if self._pose is None:
            return None, None
        asked = candidates.unusual_posture(boxes.xyxy, boxes.scores, boxes.labels)
        if not asked.any():
            return None, None
        keypoints = np.zeros((len(boxes), POINTS, 3), np.float32)
        keypoints[asked] = self._pose(image, boxes.xyxy[asked])
        return asked, keypoints


def _views(frame: Frame) -> list[tuple[Image, Crop | None]]:
    """What there is to look at: the picture and its crops; nothing where the picture is none."""
    if frame.image is None or not _is_picture(frame.image):
        return []
    return [(frame.image, None), *((crop.image, crop) for crop in frame.crops if _is_crop(crop))]


def _is_picture(image: Image) -> bool:
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size > 0


def _is_crop(crop: Crop) -> bool:
    left, top, right, bottom = crop.box
    return _is_picture(crop.image) and bool(np.isfinite(crop.box).all()) and right > left and bottom > top


def _placed(seen: Boxes, image: Image, crop: Crop | None, frame: Frame) -> Boxes:
    """What was seen in a view, in pixels of the frame; without what a crop's border may have cut."""
    if crop is None:
        return seen
    height, width = image.shape[:2]
    left, top, right, bottom = crop.box
    inner = np.array((left > 0, top > 0, right < frame.width, bottom < frame.height))
    margin = np.array((width, height, width, height), np.float32) * _CUT
    depth = np.concatenate((seen.xyxy[:, :2], (width, height) - seen.xyxy[:, 2:]), axis=1)
    whole = ~((depth <= margin) & inner).any(axis=1)
    scale = np.array(((right - left) / width, (bottom - top) / height) * 2, np.float32)
    origin = np.array((left, top, left, top), np.float32)
    xyxy: Float32 = seen.xyxy[whole] * scale + origin
    return Boxes(xyxy, seen.scores[whole], seen.labels[whole])


def unnamed_movers(frame: Frame, named: Boxes) -> Boxes:
    """What moved in a frame and has no name there: small, lying or dark people, and what nobody has trained for.

    Args:
        frame: its scene says what moved, once the sampler's background is warm.
        named: what the detector saw, pixels of the frame.
    """
    if not frame.scene.moved:
        return Boxes.empty()
    moved: Float32 = np.array(frame.scene.moved, np.float32).reshape(-1, 4)
    moved = moved[np.isfinite(moved).all(axis=1)].clip(0, (frame.width, frame.height) * 2)
    size, sides = areas(moved), moved[:, 2:] - moved[:, :2]
    short, long = sides.min(axis=1), sides.max(axis=1)
    plausible = (short >= SMALLEST * frame.height) & (long <= FLATTEST * short)
    plausible &= size <= LARGEST * frame.width * frame.height
    covers = (intersection_over_smaller(moved, named.xyxy) >= COVERED) & (areas(named.xyxy) <= HIDES * size[:, None])
    rows = np.flatnonzero(plausible & ~covers.any(axis=1))
    rows = rows[np.argsort(-size[rows], kind="stable")][:MOST_UNKNOWN]
    return Boxes(
        moved[rows].astype(np.float32),
        np.full(len(rows), UNKNOWN_SCORE, np.float32),
        np.full(len(rows), UNKNOWN, np.uint8),
    )
