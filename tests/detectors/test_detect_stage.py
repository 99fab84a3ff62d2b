"""The detect stage: order and ticks kept, failures alone and counted, crops see the small, the unnamed goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import msgspec
import numpy as np
import pytest
from prometheus_client import REGISTRY

from detectors.detect_stage import MAX_UNKNOWN, UNKNOWN_SCORE, DetectStage
from lanewatch.records import LABELS, Box, Crop, Frame, Image, SceneMeasurements
from models import appearance
from models.detection.base import Boxes
from models.detection.nanodet import NanoDet

PERSON = LABELS.index("person")
WIDTH, HEIGHT = 640, 360


class PaintedDetector:
    """Sees a person wherever a picture is painted white; fails on a picture that has a red first pixel."""

    name = "painted"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        self.calls.append(len(images))
        return [self._look(image) for image in images]

    def _look(self, image: Image) -> Boxes:
        if tuple(image[0, 0]) == (0, 0, 255):
            raise RuntimeError("the network choked")
        count, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 1] > 200).astype(np.uint8))
        corners = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count]]
        return Boxes(
            np.array(corners, np.float32).reshape(-1, 4),
            np.full(len(corners), 0.8, np.float32),
            np.full(len(corners), PERSON, np.uint8),
        )


def picture(*people: Box, width: int = WIDTH, height: int = HEIGHT) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom in people:
        image[int(top) : int(bottom), int(left) : int(right)] = 255
    return image


def frame(image: Image | None = None, slot: int = 0, camera: str = "lane", **changes: Any) -> Frame:
    height, width = image.shape[:2] if image is not None and image.size else (HEIGHT, WIDTH)
    return Frame(
        camera=camera,
        epoch=3,
        slot=slot,
        captured_at=slot / 1000,
        received_at=7.0,
        width=width,
        height=height,
        image=image,
        **changes,
    )


def counted(camera: str, reason: str) -> float:
    labels = {"stage": "detect", "camera": camera, "reason": reason}
    return REGISTRY.get_sample_value("lanewatch_dropped_total", labels) or 0.0


def test_frames_of_many_cameras_come_out_in_their_order_in_one_call() -> None:
    detector = PaintedDetector()
    people: list[Box] = [(10.0 * n, 20, 10.0 * n + 30, 120) for n in range(1, 9)]
    frames = [frame(picture(box), slot=n, camera=f"c{n % 3}", profile="night") for n, box in enumerate(people)]
    seen = DetectStage(detector)(frames)
    assert detector.calls == [8]
    for source_frame, record, box in zip(frames, seen, people, strict=True):
        assert (record.camera, record.epoch, record.slot, record.captured_at, record.received_at, record.profile) == (
            source_frame.camera, 3, source_frame.slot, source_frame.captured_at, 7.0, "night",
        )  # fmt: skip
        assert (record.width, record.height, record.model, record.gap) == (WIDTH, HEIGHT, "painted", None)
        np.testing.assert_allclose(record.xyxy, [box])
        assert record.appearance.shape == (1, appearance.SIZE)
        assert appearance.similarity(record.appearance, appearance.describe(picture(box), record.xyxy))[
            0, 0
        ] == pytest.approx(1)


def test_ticks_pass_with_their_gap_and_without_detection() -> None:
    detector = PaintedDetector()
    seen = DetectStage(detector)([frame(slot=n, gap=gap) for n, gap in enumerate(("idle", "lost", "ended"))])
    assert [(record.gap, len(record)) for record in seen] == [("idle", 0), ("lost", 0), ("ended", 0)]
    assert sum(detector.calls) == 0
    assert DetectStage(detector)([]) == []


def test_a_frame_that_the_detector_fails_on_costs_itself_only() -> None:
    bad = picture((50, 50, 80, 150))
    bad[0, 0] = (0, 0, 255)
    before = counted("bad", "failed")
    good = [frame(picture((50, 50, 80, 150)), slot=n) for n in range(3)]
    seen = DetectStage(PaintedDetector())([good[0], frame(bad, slot=9, camera="bad"), *good[1:]])
    assert [(record.gap, len(record)) for record in seen] == [(None, 1), ("failed", 0), (None, 1), (None, 1)]
    assert seen[1].slot == 9
    assert counted("bad", "failed") - before == 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((360, 640), np.uint8),  # grey
        np.zeros((360, 640, 3), np.float32),
    ],
)
def test_an_invalid_image_is_counted(image: Any) -> None:
    before = counted("odd", "unreadable")
    seen = DetectStage(PaintedDetector())([frame(image, camera="odd"), frame(picture((50, 50, 80, 150)))])
    assert [(record.gap, len(record)) for record in seen] == [("unreadable", 0), (None, 1)]
    assert counted("odd", "unreadable") - before == 1


def test_what_a_crop_sees_is_put_where_it_is_in_the_frame() -> None:
    crop = Crop((100, 40, 300, 240), picture((80, 120, 120, 240), width=400, height=400))
    seen = DetectStage(PaintedDetector())([frame(picture(), crops=(crop,))])[0]
    np.testing.assert_allclose(seen.xyxy, [[140, 100, 160, 160]])


@pytest.mark.parametrize(
    ("box", "inside", "found"),
    [
        ((100, 40, 300, 240), (0, 100, 60, 200), 0),  # cut at the left
        ((100, 40, 300, 240), (300, 100, 400, 200), 0),  # at the right
        ((100, 40, 300, 240), (100, 0, 140, 200), 0),  # above
        ((100, 40, 300, 240), (100, 200, 140, 400), 0),  # below
        ((0, 40, 200, 240), (0, 100, 60, 200), 1),  # the frame itself ends there
        ((100, 160, 300, 360), (100, 200, 140, 400), 1),
        ((100, 40, 300, 240), (100, 100, 140, 200), 1),  # whole
        ((100, 40, 100, 240), (100, 100, 140, 200), 0),  # a crop without width
        ((float("nan"), 40, 100, 240), (100, 100, 140, 200), 0),
    ],
)
def test_what_a_crops_border_cut_is_dropped(box: Box, inside: Box, found: int) -> None:
    crop = Crop(box, picture(inside, width=400, height=400))
    assert len(DetectStage(PaintedDetector())([frame(picture(), crops=(crop,))])[0]) == found


def test_one_person_seen_in_the_frame_and_in_a_crop_is_one() -> None:
    crop = Crop((100, 40, 300, 240), picture((80, 120, 120, 240), width=400, height=400))
    seen = DetectStage(PaintedDetector())([frame(picture((141, 101, 160, 160)), crops=(crop,))])[0]
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("moved", "found"),
    [
        ((300, 100, 340, 200), 1),  # no named box is there
        ((52, 52, 80, 148), 0),  # the person's own movement
        ((60, 120, 78, 150), 0),  # a pair of legs
        ((56, 60, 64, 68), 1),  # far too small to be that whole person: another person behind
        ((300, 100, 306, 110), 0),  # leaves
        ((40, 60, 100, 170), 0),  # the person and a shadow
        ((78, 100, 140, 160), 1),  # beside
        ((0, 0, 640, 360), 0),  # the light
        ((100, 10, 400, 14), 0),  # a wire
        ((300, 100, 300, 200), 0),  # no width
        ((float("nan"), 100, 340, 200), 0),
        ((610, 300, 900, 500), 1),  # over the border
    ],
)
def test_what_moves_and_has_no_name_is_unknown(moved: Box, found: int) -> None:
    scene = SceneMeasurements(moved=(moved,), warm=True)
    seen = DetectStage(PaintedDetector())([frame(picture((50, 50, 80, 150)), scene=scene)])[0]
    assert [LABELS[label] for label in seen.labels] == ["person"] + ["unknown"] * found
    assert all(seen.scores[1:] == np.float32(UNKNOWN_SCORE))
    assert seen.appearance.shape == (1 + found, appearance.SIZE)
    assert (seen.xyxy >= 0).all()
    assert (seen.xyxy <= (WIDTH, HEIGHT) * 2).all()
    assert seen.scene == scene


def test_leaves_in_the_wind_are_bounded() -> None:
    moved = tuple((20.0 * n, 10.0, 20.0 * n + 10 + n % 3, 25.0) for n in range(30))
    seen = DetectStage(PaintedDetector())([frame(picture(), scene=SceneMeasurements(moved=moved, warm=True))])[0]
    assert len(seen) == MAX_UNKNOWN
    assert set(np.round(seen.xyxy[:, 2] - seen.xyxy[:, 0])) == {12.0}  # the largest


@pytest.fixture(scope="module")
def bundled() -> NanoDet:
    return NanoDet(0.2)


def test_crops_find_people_that_the_frame_is_too_coarse_for(bundled: NanoDet, data: Path) -> None:
    """pets09-s2l1 as the corner of a camera of 2688x2016: its people are 28 px high in a frame of 960."""
    truth = np.loadtxt(data / "pets09-s2l1" / "gt.txt", delimiter=",")
    worker, coarse, fine, labelled = DetectStage(bundled), 0, 0, 0
    with av.open(str(data / "pets09-s2l1" / "video.avi")) as container:
        for number, decoded in enumerate(container.decode(video=0)):
            if number % 100 == 0:
                people = truth[truth[:, 0] == number + 1][:, 2:6]
                people[:, 2:] += people[:, :2]
                source_frame, at = _from_afar(decoded.to_ndarray(format="bgr24").astype(np.uint8), people)
                labelled += len(at)
                coarse += _found(worker([msgspec.structs.replace(source_frame, crops=())])[0].xyxy, at)
                fine += _found(worker([source_frame])[0].xyxy, at)
    assert labelled >= 20
    assert coarse / labelled < 0.5
    assert fine / labelled > 0.9


def _from_afar(image: Image, people: Any) -> tuple[Frame, Any]:
    native = np.full((2016, 2688, 3), 110, np.uint8)
    native[-576:, :768] = image
    scale = 960 / 2688
    people = (people + (0, 2016 - 576) * 2)[:4]
    crops = []
    for left, top, right, bottom in people:
        x = int(np.clip((left + right) / 2 - 120, 0, 2688 - 240))
        y = int(np.clip((top + bottom) / 2 - 120, 0, 2016 - 240))
        box = (x * scale, y * scale, (x + 240) * scale, (y + 240) * scale)
        crops.append(Crop(box, native[y : y + 240, x : x + 240]))
    small = np.asarray(cv2.resize(native, (960, 720), interpolation=cv2.INTER_AREA), np.uint8)
    return frame(small, crops=tuple(crops)), people * scale


def _found(boxes: Any, people: Any) -> int:
    begin = np.maximum(people[:, None, :2], boxes[None, :, :2])
    shared = np.clip(np.minimum(people[:, None, 2:], boxes[None, :, 2:]) - begin, 0, None).prod(axis=2)
    sizes = [(table[:, 2:] - table[:, :2]).prod(axis=1) for table in (people, boxes)]
    share = shared / (sizes[0][:, None] + sizes[1][None] - shared)
    return int((share >= 0.5).any(axis=1).sum())


def test_the_bundled_detector_gives_the_same_alone_and_in_batches(bundled: NanoDet, clip: Path) -> None:
    frames = []
    with av.open(str(clip)) as container:
        for number, decoded in enumerate(container.decode(video=0)):
            image = decoded.to_ndarray(format="bgr24").astype(np.uint8)
            crops = (Crop((200, 100, 420, 320), image[100:320, 200:420]),) if number % 2 else ()
            frames.append(frame(image, slot=number, crops=crops))
            if number == 9:
                break
    worker = DetectStage(bundled)
    for record, other in zip(worker(frames), [worker([source_frame])[0] for source_frame in frames], strict=True):
        assert record.slot == other.slot
        np.testing.assert_array_equal(record.xyxy, other.xyxy)
        np.testing.assert_array_equal(record.appearance, other.appearance)


class PaintedPose:
    """Gives everybody whom it is asked for joints in the middle of the box."""

    name = "painted"

    def __init__(self) -> None:
        self.boxes: list[Any] = []

    def __call__(self, image: Image, boxes: Any) -> Any:
        self.boxes += boxes.tolist()
        joints = np.ones((len(boxes), 17, 3), np.float32)
        joints[..., :2] = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
        return joints


def test_keypoints_are_estimated_only_for_people_who_may_lie() -> None:
    pose = PaintedPose()
    worker = DetectStage(PaintedDetector(), pose)
    two_people, one_person, empty = worker(
        [
            frame(picture((50, 50, 90, 150), (300, 200, 400, 300)), slot=0),
            frame(picture((50, 50, 90, 150)), slot=1),
            frame(slot=2, gap="idle"),
        ]
    )
    assert pose.boxes == [[300, 200, 400, 300]]
    assert two_people.pose_requested is not None
    assert two_people.keypoints is not None
    lying = int(np.argmax(two_people.xyxy[:, 0]))
    assert two_people.pose_requested.tolist() == [row == lying for row in range(2)]
    np.testing.assert_allclose(two_people.keypoints[lying], [(350, 250, 1)] * 17)
    assert not two_people.keypoints[1 - lying].any()
    assert (one_person.pose_requested, one_person.keypoints, empty.pose_requested, empty.keypoints) == (
        None,
        None,
        None,
        None,
    )
