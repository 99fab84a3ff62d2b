"""How CAVIAR's labels are read and alarms are counted, on labels made up here."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.acts import caviar
from benchmarks.acts.caviar import Act

Said = tuple[int, str, str, str, str]
"""Id, movement, role, context, situation."""


def write(folder: Path, frames: Iterable[tuple[list[Said], list[Said]]]) -> Path:
    parts = []
    for number, (objects, groups) in enumerate(frames):
        parts.append(f'<frame number="{number}"><objectlist>{_all("object", objects)}</objectlist>')
        parts.append(f"<grouplist>{_all('group', groups)}</grouplist></frame>")
    file = folder / "Trial__tr1gt.xml.gz"
    file.write_bytes(gzip.compress(f'<dataset name="Trial">{"".join(parts)}</dataset>'.encode()))
    return file


def _all(kind: str, said: list[Said]) -> str:
    return "".join(
        f'<{kind} id="{one}"><box h="30" w="20" xc="100" yc="50"/><hypothesislist><hypothesis>'
        f"<movement>{movement}</movement><role>{role}</role><context>{context}</context>"
        f"<situation>{situation}</situation></hypothesis></hypothesislist></{kind}>"
        for one, movement, role, context, situation in said
    )


WALKER: Said = (1, "walking", "walker", "walking", "moving")
BROWSER: Said = (1, "inactive", "browser", "browsing", "browsing")
BAG: Said = (2, "inactive", "leaving object", "immobile", "inactive")
FIGHT: Said = (7, "movement", "fighters", "fighting", "fighting")
FALLING: Said = (3, "walking", "walker", "drop down", "moving")
FALLEN: Said = (3, "inactive", "walker", "drop down", "inactive")


def test_acts_are_what_the_labels_say(tmp_path: Path) -> None:
    frames: list[tuple[list[Said], list[Said]]] = [([WALKER, FALLING], [])] * 50
    frames += [([BROWSER, BAG, FALLEN], [])] * 260 + [([WALKER, BAG, FALLING], [FIGHT])] * 40
    frames += [([BROWSER, FALLEN], [])] * 100
    clip = caviar.read(write(tmp_path, frames))
    assert caviar.things(clip) == {2}
    assert caviar.acts(clip) == [
        Act("abandoned_object", 2.0, 349 / 25, (2,)),
        Act("fall", 2.0, 309 / 25, (3,)),
        Act("fight", 310 / 25, 349 / 25, (7,)),
        Act("loitering", 2.0, 309 / 25, (1,)),
        Act("loitering", 14.0, 449 / 25, (1,), aside=True),
    ]


def test_records_are_what_a_perfect_detector_and_sampler_give(tmp_path: Path) -> None:
    frames: list[tuple[list[Said], list[Said]]] = [([WALKER], [])] * 50
    frames += [([WALKER, BAG], [])] * 100
    clip = caviar.read(write(tmp_path, frames))
    records = caviar.detections(clip, every=5)
    assert len(records) == 30
    assert [len(record) for record in records] == [1] * 30
    assert records[0].xyxy.tolist() == [[90, 35, 110, 65]]
    assert [bool(record.scene.still) for record in records] == [False] * 25 + [True] * 5
    assert records[-1].scene.still[0].still_since - records[0].captured_at == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize(("seconds", "stays"), [(9.9, 0), (14.0, 1)])
def test_who_stands_in_a_watched_place_is_not_asked_for_and_not_false(seconds: float, stays: int) -> None:
    frames = range(round(seconds * 25) + 1)
    boxes = {1: (90.0, 200.0, 110.0, 230.0), 2: (190.0, 110.0, 210.0, 140.0)}  # by the window, and nowhere
    there = [
        caviar.Labelled(frame, one, box, "inactive", "walker", "immobile", "inactive")
        for frame in frames
        for one, box in boxes.items()
    ]
    clip = caviar.Clip("Trial", tuple(frames), tuple(there), ())
    assert caviar.acts(clip) == [Act("loitering", 10.0, seconds, (1,), aside=True)] * stays


@pytest.mark.parametrize(
    ("alarms", "found", "false"),
    [
        ([("fall", 10.5)], 1, 0),
        ([("fall", 7.9)], 0, 1),  # before its time
        ([("fall", 26.1)], 0, 1),  # 10 s after its end
        ([("fall", 10.5), ("fall", 12.0)], 1, 1),  # one alarm to one act
        ([("fight", 10.5)], 0, 1),  # of another kind
        ([("running", 10.5)], 0, 0),  # of a kind that nobody labelled
        ([("loitering", 31.0)], 0, 0),  # browsing too short to be asked for
        ([("loitering", 31.0), ("loitering", 32.0)], 0, 1),  # which excuses one alarm
    ],
)
def test_alarms_are_counted_one_to_an_act(alarms: list[tuple[str, float]], found: int, false: int) -> None:
    staged = [Act("fall", 10.0, 16.0, (1,)), Act("loitering", 25.0, 30.0, (2,), aside=True)]
    outcome = caviar.judge(staged, alarms)
    assert (len(outcome.found), len(outcome.false)) == (found, false)
    assert len(outcome.missed) == 1 - found


def test_the_staged_bags_are_found_and_nothing_else_is_left(data: Path) -> None:
    for file in sorted((data / caviar.SET / "gt").glob("Left*.xml.gz")):
        clip = caviar.read(file)
        alarms = [one for one in caviar.alarms(caviar.detections(clip, every=5)) if one[0] == "abandoned_object"]
        outcome = caviar.judge(caviar.acts(clip), alarms)
        assert (len(outcome.found), outcome.missed, outcome.false) == (1, [], []), clip.name
