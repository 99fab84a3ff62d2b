"""While the picture as a whole changes, people are not judged, open events wait, and the trouble is the event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from lanewatch.records import Detections, SceneMeasurements
from tests.detectors.walker_records import NOON, along, detections, loiterer, make_record, opened, site, watch

USUAL: dict[str, Any] = {"brightness": 90.0, "contrast": 30.0, "sharpness": 400.0, "warm": True}
BEGIN, END = 4.0, 9.0


def seen(records: Sequence[Detections], **disturbed: Any) -> list[Detections]:
    """The records with scene measurements, disturbed from ``BEGIN`` to ``END``."""
    return [
        msgspec.structs.replace(
            record,
            scene=SceneMeasurements(**(USUAL | (disturbed if BEGIN <= record.captured_at - NOON < END else {}))),
        )
        for record in records
    ]


def faller() -> list[Detections]:
    """A box that is upright, and low and long from ``BEGIN`` + .5 s on."""
    upright, low = (480.0, 500.0, 520.0, 600.0), (460.0, 575.0, 560.0, 610.0)
    records = []
    for tick in range(60):
        box = upright if tick / 6 < BEGIN + 0.5 else low
        records.append(make_record(NOON + tick / 6, xyxy=[box, (900, 500, 940, 600)], scores=[0.6, 0.6], labels=[1, 1]))
    return records


@pytest.mark.parametrize(
    ("disturbed", "falls"),
    [
        ({}, 1),
        ({"sharpness": 40.0}, 0),  # out of focus
        ({"brightness": 20.0}, 0),  # the exposure steps, or a hand is over the lens
        ({"warm": False}, 0),  # the whole picture moved: the sampler learns its background anew
        ({"sharpness": 300.0, "brightness": 100.0}, 1),  # a cloud
    ],
)
def test_a_posture_that_changes_with_the_picture_is_no_fall(disturbed: dict[str, Any], falls: int) -> None:
    assert len(opened(watch(seen(faller(), **disturbed), site()), "fall")) == falls


def test_a_stay_goes_on_over_a_disturbance() -> None:
    records = loiterer(75)
    plain = opened(watch(seen(records), site()), "loitering")
    blurred = opened(watch(seen(records, sharpness=40.0), site()), "loitering")
    assert [event.began_at for event in blurred] == [event.began_at for event in plain]


def test_an_open_event_waits() -> None:
    path = along((-20, 250, 500), (-18, 500, 500), (60, 500, 500))
    records = detections([lambda time: path(time - 20)], fps=5, seconds=60, start=NOON - 20)
    without_boxes = [
        make_record(record.captured_at) if BEGIN <= record.captured_at - NOON < END else record for record in records
    ]
    events = [event for event in watch(seen(without_boxes, sharpness=40.0), site()) if event.kind == "loitering"]
    assert len({event.id for event in events}) == 1
    assert not [event for event in events if event.ended_at is not None]


def test_a_lamp_that_flashes_does_not_blind_the_camera() -> None:
    """The brightness jumps every half second. A person enters a closed zone in the meantime."""
    enters = along((0, 450, 700), (20, 450, 700), (22, 150, 500), (40, 100, 500))
    flashing = [
        msgspec.structs.replace(
            record, scene=SceneMeasurements(**(USUAL | {"brightness": 200.0 if index // 3 % 2 else 60.0}))
        )
        for index, record in enumerate(detections([enters], fps=5, seconds=40))
    ]
    assert len(opened(watch(flashing, site()), "intrusion")) == 1


def test_a_restarted_sampler_is_no_disturbance() -> None:
    records = seen(faller())
    restarted = [
        msgspec.structs.replace(record, epoch=2, scene=msgspec.structs.replace(record.scene, warm=False))
        if record.captured_at - NOON >= BEGIN
        else record
        for record in records
    ]
    assert len(opened(watch(restarted, site()), "fall")) == 1


def test_another_view_is_usual_after_a_while() -> None:
    """From ``BEGIN`` on the picture is blurred for good; half a minute later, people are judged again."""
    records = seen(detections([along((0, 250, 500), (3, 500, 500), (120, 500, 500))], fps=5, seconds=120))
    blurred = [
        msgspec.structs.replace(record, scene=msgspec.structs.replace(record.scene, sharpness=60.0))
        if record.captured_at - NOON >= BEGIN
        else record
        for record in records
    ]
    (event,) = opened(watch(blurred, site()), "loitering")
    assert event.began_at - NOON < BEGIN
