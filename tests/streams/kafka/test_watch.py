"""The watch stage over a real broker: whatever is killed when, the events are those of an undisturbed fold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lanewatch import telemetry
from tests.streams.kafka.lanes import NOON, Lanes, footage, keys, undisturbed
from tests.streams.kafka.shop import running

END = NOON + 39.8


@pytest.fixture
def shop(broker: str) -> Iterator[Lanes]:
    shop = Lanes(broker)
    yield shop
    shop.close()


def dropped(camera: str, reason: str) -> float:
    return float(telemetry.DROPPED.labels("watch", camera, reason)._value.get())


def test_the_events_are_those_of_one_fold_and_it_is_told_how_far_each_camera_was_judged(
    shop: Lanes, tmp_path: Path
) -> None:
    records = footage()
    shop.put(records)
    with running(shop.loop("w", tmp_path)):
        events = shop.judged(END)
    wanted = undisturbed(shop.watched, records)
    assert keys(events) == keys(wanted)
    assert len(events) == len(wanted)
    assert {one.camera for one in wanted} == set(shop.seats)


def test_a_planned_end_leaves_nothing_to_be_judged_again(shop: Lanes, tmp_path: Path) -> None:
    records = footage()
    half = len(records) // 2
    shop.put(records[:half])
    with running(shop.loop("w", tmp_path, checkpoint_s=3600)):
        shop.judged(records[half - 6].captured_at)
    shop.put(records[half:])
    with running(shop.loop("w", tmp_path, checkpoint_s=3600)):
        events = shop.judged(END)
    wanted = undisturbed(shop.watched, records)
    assert len(events) == len(wanted)  # none twice
    assert keys(events) == keys(wanted)
    assert sum(shop.committed("watch", shop.topics.detections.name).values()) == len(records)
