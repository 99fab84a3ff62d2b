"""Simulated nights are reproducible and balanced, and their records are on the sampling grid."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import shapely

from lanewatch.config.schedules import CameraSchedules
from lanewatch.records import PERSON, UNKNOWN, Detections, encode
from streams.simulator.night import SimulatedNight, simulate_night, simulate_nights, theft_patterns

FIRST = 400


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() -> None:
    first, again, other = (b"".join(map(encode, islice(simulate_night(seed, 1).records, FIRST))) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_of_a_hundred_nights_forty_have_no_theft_and_each_pattern_occurs_twenty_times() -> None:
    stolen = [theft_patterns(number) for number in range(100)]
    assert Counter(pattern for night in stolen for pattern in night) == dict.fromkeys(set(sum(stolen, ())), 20)
    assert len(set(sum(stolen, ()))) == 6
    assert sum(not patterns for patterns in stolen) == 40


def test_a_night_has_its_thefts_and_other_events() -> None:
    for number, night in enumerate(simulate_nights(5, 9)):
        assert Counter(event.pattern for event in night.truth if event.theft) == Counter(theft_patterns(number))
        assert sum(not event.theft for event in night.truth) >= 6


def test_the_owner_comes_in_his_hours_or_on_a_registered_visit_and_thieves_do_not() -> None:
    for night in simulate_nights(10, 4):
        schedules = CameraSchedules(night.site, night.site.cameras[0])
        (name,) = night.site.schedules
        for event in night.truth:
            in_hours = schedules.holds(name, event.began_at)
            registered = any(
                event.zone in visit.zones and visit.since.timestamp() <= event.began_at <= visit.until.timestamp()
                for visit in night.site.visits
            )
            if event.allowed:
                assert in_hours or registered
            elif event.theft:
                assert not in_hours


def test_records_are_in_order_on_the_grid_without_gaps_that_expire_tracks(
    night: SimulatedNight, records: list[Detections]
) -> None:
    gaps = [after.captured_at - before.captured_at for before, after in pairwise(records)]
    assert min(gaps) > 0
    assert max(gaps) <= 10.0
    assert all(record.slot == round(record.captured_at * 1000) and record.slot % 500 == 0 for record in records)
    assert {record.gap for record in records} == {None, "idle"}
    times = np.array([record.captured_at for record in records if record.gap is None])
    for event in night.truth:
        inside = (times >= event.began_at) & (times <= event.ended_at)
        assert inside.sum() >= night.fps * (event.ended_at - event.began_at) - 2


def test_thieves_are_detected_in_the_zone_of_the_theft(night: SimulatedNight, records: list[Detections]) -> None:
    zones = {zone.id: shapely.Polygon(zone.polygon) for zone in night.site.cameras[0].zones}
    for event in (event for event in night.truth if event.theft):
        during = [r for r in records if event.acted_at <= r.captured_at <= event.ended_at and r.gap is None]
        inside = sum(bool(_feet_in(record, zones[event.zone])) for record in during)
        assert inside >= 15  # pictures at two a second
        before = [r for r in records if event.began_at <= r.captured_at < event.acted_at - 3 and r.gap is None]
        assert sum(bool(_feet_in(record, zones[event.zone])) for record in before) <= 0.5 * len(before)


def _feet_in(record: Detections, zone: shapely.Polygon) -> int:
    people = record.xyxy[np.isin(record.labels, (PERSON, UNKNOWN)) & (record.scores < 1)]
    feet = np.stack([(people[:, 0] + people[:, 2]) / 2, people[:, 3]], axis=1) / (record.width, record.height)
    return int(shapely.contains_xy(zone, feet).sum())
