"""Falls: a person who goes down and stays down is one event; people who bend, walk on, sit or leave are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.behaviours.fall.behaviour import FallMemory
from detectors.watch_stage import WatchStage
from lanewatch.records import LABELS, Box, Detections, Event, decode, encode
from tests.detectors import walker_records
from tests.detectors.walker_records import NOON, make_record, opened, revisions, site, watch

TALL = 100.0
FALL_AT = 4.0
"""Seconds at which all people here go down, within half a second."""

Seen = tuple[Box, float, str] | None
"""A person's box, score and class at a time in seconds; None while the person is not detected."""


def upright(x: float, foot: float = 600.0, tall: float = TALL) -> Box:
    return (x - 20, foot - tall, x + 20, foot)


def lying(x: float, foot: float = 610.0) -> Box:
    return (x - 50, foot - 35, x + 50, foot)


def stubby(x: float, tall: float) -> Box:
    """A person below a camera that looks down."""
    return (x - 25, 600 - tall, x + 25, 600)


GIANT = (300, 240, 500, 640)
"""A box that a detector makes of a whole wall."""


def faller(time: float, *, up_again: float = 99.0, label: str = "person", score: float = 0.3) -> Seen:
    """Walks to the right by .8 heights a second, goes down at ``FALL_AT`` and gets up again."""
    if time < FALL_AT or time >= up_again:
        return upright(300 + 80 * min(time, FALL_AT)), 0.8, "person"
    if time < FALL_AT + 0.4:
        return upright(640, tall=70), 0.4, "person"
    return lying(660), score, label


def detections(*bodies: Callable[[float], Seen], fps: float = 7.5, seconds: float = 10.0) -> list[Detections]:
    records = []
    for tick in range(round(seconds * fps)):
        seen = [detected for body in bodies if (detected := body(tick / fps)) is not None]
        records.append(
            make_record(
                NOON + tick / fps,
                xyxy=[box for box, _, _ in seen],
                scores=[score for _, score, _ in seen],
                labels=[LABELS.index(label) for _, _, label in seen],
            )
        )
    return records


def falls(records: list[Detections], **thresholds: float) -> list[Event]:
    trial = site(behaviours={"fall": {"thresholds": thresholds}}) if thresholds else site()
    return opened(watch(records, trial), "fall")


@pytest.mark.parametrize("fps", [15, 7.5, 5, 3])
def test_a_fall_is_one_event_at_any_frame_rate(fps: float) -> None:
    events = falls(detections(faller, fps=fps))
    assert len(events) == 1
    assert FALL_AT + 1 <= events[0].updated_at - NOON <= FALL_AT + 2.4
    assert 0 < events[0].score <= 1
    assert "쓰러져" in events[0].sentence["ko"]


def test_a_lying_person_classified_as_a_dog_has_fallen() -> None:
    assert len(falls(detections(lambda time: faller(time, label="dog")))) == 1


def test_a_lying_person_detected_in_one_frame_of_three_has_fallen() -> None:
    def dim(time: float) -> Seen:
        return faller(time) if time < FALL_AT or round(time * 7.5) % 3 == 0 else None

    assert len(falls(detections(dim))) == 1


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gets up at once", lambda time: faller(time, up_again=FALL_AT + 0.9)),
        ("walks on", lambda time: (upright(300 + 40 * time), 0.8, "person")),
        ("bends", lambda time: ((280, 540, 340, 600) if 4 < time < 8 else upright(310), 0.8, "person")),
        ("sits", lambda time: ((280, 530, 332, 600) if time > 4 else upright(310), 0.8, "person")),
        ("has lain all along", lambda time: (lying(400), 0.6, "person")),
        ("leaves below", lambda time: (upright(400, foot=600 + 60 * time), 0.8, "person") if time < 3 else None),
        ("is seen from above", lambda time: (stubby(300 + 60 * time, 40 if 4 < time < 6 else 62), 0.8, "person")),
        ("a bag where a giant was", lambda time: (GIANT if time < 4 else (380, 610, 440, 640), 0.6, "person")),
        ("a dog passes", lambda time: ((100 + 80 * time, 570, 180 + 80 * time, 610), 0.6, "dog")),
    ],
)
def test_other_movements_are_no_fall(name: str, body: Callable[[float], Seen]) -> None:
    assert falls(detections(body)) == []


def test_an_animal_that_stays_where_its_owner_went_out_of_sight_is_no_fall() -> None:
    def owner(time: float) -> Seen:
        return (upright(300 + 80 * time), 0.8, "person") if time < FALL_AT else None

    def cat(time: float) -> Seen:
        x = 300 + 80 * min(time, FALL_AT) - 45
        return (x - 27, 556, x + 27, 600), 0.45, "cat"

    assert falls(detections(owner, cat)) == []
    assert len(falls(detections(owner, lambda time: cat(time) if time > FALL_AT else None))) == 1, "no cat before"


@pytest.mark.parametrize(("hips", "expected"), [(50, 0), (12, 1)])
def test_a_farmer_who_bends_at_the_waist_has_not_fallen(hips: float, expected: int) -> None:
    """The torso leans by 70 degrees. The hips are at leg's height, or near the ground; torso 30 px, body 100."""
    box = (290.0, 542.0, 346.0, 600.0)
    joints = np.zeros((1, 17, 3), np.float32)
    joints[0, :, 2] = 0.8
    joints[0, (11, 12), :2] = (298, 600 - hips)
    joints[0, (5, 6), :2] = (298 + 30 * np.sin(np.radians(70)), 600 - hips - 30 * np.cos(np.radians(70)))
    records = []
    for tick in range(60):
        down = tick / 6 > FALL_AT
        seen: dict[str, Any] = {"xyxy": [box if down else upright(310)], "scores": [0.6], "labels": [1]}
        if down:
            seen |= {"keypoints": joints, "pose_requested": np.array([True])}
        records.append(make_record(NOON + tick / 6, **seen))
    assert len(falls(records)) == expected


def test_a_second_wide_box_where_a_person_walks_on_is_no_fall() -> None:
    def walker(time: float) -> Seen:
        return upright(300 + 80 * time), 0.8, "person"

    def kerb(time: float) -> Seen:
        return (lying(620), 0.3, "person") if time > 4 else None

    assert falls(detections(walker, kerb, seconds=8)) == []


def test_helpers_do_not_hide_a_fall() -> None:
    def helper(time: float) -> Seen:
        return upright(max(900 - 80 * time, 760)), 0.8, "person"

    assert len(falls(detections(faller, helper))) == 1


@pytest.mark.parametrize(("score", "expected"), [(0.35, 1), (0.8, 0)])
def test_an_upright_box_over_a_lying_person_counts_only_with_a_high_score(score: float, expected: int) -> None:
    """A box over half of the person that is higher than wide, in one frame of three."""

    def ghost(time: float) -> Seen:
        seen = time > FALL_AT + 0.6 and round(time * 7.5) % 3 == 0
        return ((646, 555, 690, 610), score, "person") if seen else None

    assert len(falls(detections(faller, ghost))) == expected


def test_boxes_of_parts_of_a_fallen_person_are_one_event() -> None:
    """Legs and trunk are detected in turn, a body length apart."""

    def trunk(time: float) -> Seen:
        return ((560, 570, 620, 610), 0.25, "person") if time > FALL_AT + 0.6 else None

    assert len(falls(detections(faller, trunk))) == 1


def test_a_person_lying_behind_the_standing_position_has_not_fallen() -> None:
    def sleeper(time: float) -> Seen:
        return (upright(400), 0.8, "person") if time < FALL_AT else (lying(400, foot=565), 0.6, "person")

    assert falls(detections(sleeper)) == []


def test_dispatch_is_suggested_for_a_person_who_stays_down() -> None:
    revised = list(watch(detections(faller, seconds=16), site()))
    severities = [event.severity for event in revised if event.kind == "fall"]
    assert severities[0] == 2
    assert max(severities) == 3
    late = falls(detections(faller, seconds=12), down_s=5)
    assert FALL_AT + 5 <= late[0].updated_at - NOON <= FALL_AT + 6.5
    assert falls(detections(faller), down_s=60) == []


def towards_camera(time: float, *, head: float, score: float = 0.3) -> Seen:
    """Falls towards the camera: the box stays higher than wide, and its upper edge ends ``head`` above the feet."""
    if time < FALL_AT:
        return upright(300), 0.8, "person"
    sunk = min((time - FALL_AT) / 0.5, 1.0) * (TALL - head)
    return (285, 500 + sunk, 315, 600 + 0.4 * sunk), score, "person"


@pytest.mark.parametrize("fps", [15, 7.5, 5])
@pytest.mark.parametrize(("head", "expected"), [(0.0, 1), (20.0, 1), (50.0, 0), (70.0, 0)])
def test_a_fall_towards_the_camera_brings_the_head_to_the_row_of_the_feet(
    fps: float, head: float, expected: int
) -> None:
    """A person who squats or sits on the ground keeps the head at half of the standing height, and bends with .7."""
    found = falls(detections(lambda time: towards_camera(time, head=head), fps=fps, seconds=18))
    assert len(found) == expected
    assert all(event.severity == 2 for event in found)


def test_a_head_at_the_ground_is_one_kind_of_evidence_and_suggests_no_dispatch() -> None:
    revised = list(watch(detections(lambda time: towards_camera(time, head=0), seconds=25), site()))
    assert {event.severity for event in revised if event.kind == "fall"} == {2}


def test_a_low_box_that_was_there_before_is_no_fall_of_a_person_who_leaves() -> None:
    """A mattress that a detector takes for a person, and a person who walks off behind it."""

    def walker(time: float) -> Seen:
        return (upright(300), 0.8, "person") if time < FALL_AT else None

    def mattress(_: float) -> Seen:
        return (260, 590, 340, 640), 0.35, "person"

    assert falls(detections(walker, mattress)) == []


def test_a_person_who_lies_down_on_a_bed_is_watched_only() -> None:
    """The head stays at half of the standing height, and the body is turned."""

    def sleeper(time: float) -> Seen:
        if time < FALL_AT:
            return upright(300), 0.8, "person"
        return (250, 550, 360, 595), 0.5, "person"

    revised = list(watch(detections(sleeper, seconds=25), site()))
    assert {event.severity for event in revised if event.kind == "fall"} == {1}


def test_the_memory_is_small_and_survives_a_checkpoint() -> None:
    crowd = [
        lambda time, n=n: (upright(30.0 * n), 0.8, "person") if (time + n) % 4 < 2 else (lying(30.0 * n), 0.4, "person")
        for n in range(30)
    ]
    watcher = WatchStage(site(), run="test")
    state = watcher.start("lane")
    whole = list(revisions(watcher, detections(*crowd, seconds=3)))
    again = []
    for record in detections(*crowd, seconds=3):
        state, events = watcher.step(decode(encode(state), type(state)), record)
        again += events
    assert again == whole
    assert len(encode(state)) < 200_000
    assert FallMemory() == decode(encode(FallMemory()), FallMemory)


def test_a_gap_in_the_records_is_no_fall_and_ends_none() -> None:
    records = detections(faller)
    del records[45:60]
    assert len(falls(records)) == 1
    assert walker_records.TALL == TALL


REAL_CLIPS = (
    "subject1/Fall/14.mp4",
    "ADL/23.mp4",
    "cam2/A01_T1_cam2.mp4",
    "cam1/A05_T1_cam1.mp4",
    "cam2/A09_T1_cam2.mp4",
)
"""Falls to the side and towards the camera; sitting down and picking a thing up."""


def test_falls_of_real_clips(data: Path) -> None:
    """Each fall is found, and nothing else, at about 15 and 7.5 pictures a second."""
    from benchmarks import clips
    from benchmarks.acts.falls import Outcome, alarms, outcome, staged_clips

    chosen = [clip for clip in staged_clips(data) if str(clip.path).endswith(REAL_CLIPS)]
    assert sum(len(clip.falls) for clip in chosen) == 3
    assert len(chosen) == len(REAL_CLIPS)
    for clip in chosen:
        fold = max(round(clip.fps / 15), 1)
        for every in (1, 2):
            raised = alarms(clips.detections(clip.path, clip.fps, every=every * fold))
            assert outcome(clip.falls, raised) == Outcome(len(clip.falls), 0, 0), clip.name


def test_the_fall_seen_from_above(data: Path) -> None:
    """CAVIAR's labels: a person lies down in Rest_FallOnFloor, and none in the clips where people walk and leave."""
    from benchmarks.acts import caviar

    for clip in caviar.read_clips(data):
        if clip.name in ("Rest_FallOnFloor", "Walk1", "Browse3", "Rest_InChair"):
            fallen = [act for act in caviar.acts(clip) if act.kind == "fall"]
            raised = [at for kind, at in caviar.alarms(caviar.detections(clip, every=5)) if kind == "fall"]
            assert len(raised) == len(fallen)
            assert all(act.since - 2 <= at <= act.since + 10 for act, at in zip(fallen, raised, strict=True))
