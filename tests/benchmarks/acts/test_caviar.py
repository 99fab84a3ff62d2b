"""CAVIAR's labels are read and alarms are counted, on made-up labels."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.acts import caviar
from benchmarks.acts.caviar import Act
from benchmarks.datasets import CaviarLabel

Label = tuple[int, str, str, str, str]
"""Id, movement, role, context, situation."""


def read(folder: Path, frames: Iterable[tuple[list[Label], list[Label]]]) -> caviar.Clip:
    """Writes the labels of the objects and groups of each frame, and reads them."""
    file = folder / "caviar" / "gt" / "tracks.csv.gz"
    file.parent.mkdir(parents=True)
    with gzip.open(file, "wt") as stream:
        print("clip,frame,kind,id,xc,yc,w,h,movement,role,context,situation", file=stream)
        for number, of_frame in enumerate(frames):
            for kind, labels in zip(("object", "group"), of_frame, strict=True):
                for id, *hypothesis in labels:
                    print(f"Trial,{number},{kind},{id},100,50,20,30", *hypothesis, sep=",", file=stream)
    [clip] = caviar.read_clips(folder)
    return clip


WALKER: Label = (1, "walking", "walker", "walking", "moving")
BROWSER: Label = (1, "inactive", "browser", "browsing", "browsing")
BAG: Label = (2, "inactive", "leaving object", "immobile", "inactive")
FIGHT: Label = (7, "movement", "fighters", "fighting", "fighting")
FALLING: Label = (3, "walking", "walker", "drop down", "moving")
FALLEN: Label = (3, "inactive", "walker", "drop down", "inactive")


def test_acts_are_read_from_the_labels(tmp_path: Path) -> None:
    frames: list[tuple[list[Label], list[Label]]] = [([WALKER, FALLING], [])] * 50
    frames += [([BROWSER, BAG, FALLEN], [])] * 260 + [([WALKER, BAG, FALLING], [FIGHT])] * 40
    frames += [([BROWSER, FALLEN], [])] * 100
    clip = read(tmp_path, frames)
    assert caviar.bags(clip) == {2}
    assert caviar.acts(clip) == [
        Act("abandoned_object", 2.0, 349 / 25, (2,)),
        Act("fall", 2.0, 309 / 25, (3,)),
        Act("fight", 310 / 25, 349 / 25, (7,)),
        Act("loitering", 2.0, 309 / 25, (1,)),
        Act("loitering", 14.0, 449 / 25, (1,), optional=True),
    ]


def test_records_are_those_of_a_perfect_detector_and_sampler(tmp_path: Path) -> None:
    frames: list[tuple[list[Label], list[Label]]] = [([WALKER], [])] * 50
    frames += [([WALKER, BAG], [])] * 100
    clip = read(tmp_path, frames)
    records = caviar.detections(clip, every=5)
    assert len(records) == 30
    assert [len(record) for record in records] == [1] * 30
    assert records[0].xyxy.tolist() == [[90, 35, 110, 65]]
    assert [bool(record.scene.still) for record in records] == [False] * 25 + [True] * 5
    assert records[-1].scene.still[0].still_since - records[0].captured_at == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize(("seconds", "stays"), [(9.9, 0), (14.0, 1)])
def test_an_alarm_for_a_person_who_stands_in_a_watched_place_is_optional(seconds: float, stays: int) -> None:
    frames = range(round(seconds * 25) + 1)
    boxes = {1: (90.0, 200.0, 110.0, 230.0), 2: (190.0, 110.0, 210.0, 140.0)}  # by the window, and nowhere
    labels = [
        CaviarLabel("Trial", frame, id, "object", box, "inactive", "walker", "immobile", "inactive")
        for frame in frames
        for id, box in boxes.items()
    ]
    clip = caviar.Clip("Trial", len(frames), tuple(labels), ())
    assert caviar.acts(clip) == [Act("loitering", 10.0, seconds, (1,), optional=True)] * stays


@pytest.mark.parametrize(
    ("alarms", "found", "false"),
    [
        ([("fall", 10.5)], 1, 0),
        ([("fall", 7.9)], 0, 1),  # before its time
        ([("fall", 26.1)], 0, 1),  # 10 s after its end
        ([("fall", 10.5), ("fall", 12.0)], 1, 1),  # one alarm to one act
        ([("fight", 10.5)], 0, 1),  # of another kind
        ([("running", 10.5)], 0, 0),  # of a kind without labels
        ([("loitering", 31.0)], 0, 0),  # an optional act
        ([("loitering", 31.0), ("loitering", 32.0)], 0, 1),  # which excuses one alarm
    ],
)
def test_alarms_are_counted_one_to_an_act(alarms: list[tuple[str, float]], found: int, false: int) -> None:
    staged = [Act("fall", 10.0, 16.0, (1,)), Act("loitering", 25.0, 30.0, (2,), optional=True)]
    outcome = caviar.compare(staged, alarms)
    assert (len(outcome.found), len(outcome.false)) == (found, false)
    assert len(outcome.missed) == 1 - found


def test_the_staged_bags_are_found_without_false_alarms(data: Path) -> None:
    for clip in caviar.read_clips(data):
        if not clip.name.startswith("Left"):
            continue
        alarms = [alarm for alarm in caviar.alarms(caviar.detections(clip, every=5)) if alarm[0] == "abandoned_object"]
        outcome = caviar.compare(caviar.acts(clip), alarms)
        assert (len(outcome.found), outcome.missed, outcome.false) == (1, [], []), clip.name
