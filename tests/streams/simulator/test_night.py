"""Simulated nights: the same from the same seed, balanced, and such as sampler and detect worker would make them."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely

from detectors import detect_stage
from detectors.evaluation.truth_file import truths
from lanewatch import cli
from lanewatch.config import loader
from lanewatch.config.schedules import CameraSchedules
from lanewatch.records import PERSON, UNKNOWN, Detections, Frame, encode
from models.detection.base import Boxes
from streams.archive import detections_archive
from streams.simulator.night import SimulatedNight, simulate_night, simulate_nights, turn

FEW = 400


@pytest.fixture(scope="module")
def one() -> SimulatedNight:
    return simulate_night(3, 0)


@pytest.fixture(scope="module")
def records(one: SimulatedNight) -> list[Detections]:
    return list(one.records)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again, other = (b"".join(map(encode, islice(simulate_night(seed, 1).records, FEW))) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_of_a_hundred_nights_forty_are_quiet_and_each_pattern_comes_twenty_times() -> None:
    stolen = [turn(number) for number in range(100)]
    assert Counter(pattern for night in stolen for pattern in night) == dict.fromkeys(set(sum(stolen, ())), 20)
    assert len(set(sum(stolen, ()))) == 6
    assert sum(not patterns for patterns in stolen) == 40


def test_a_night_holds_the_thefts_whose_turn_it_is_and_others_besides() -> None:
    for number, one in enumerate(simulate_nights(5, 9)):
        assert Counter(h.pattern for h in one.truth if h.theft) == Counter(turn(number))
        assert sum(not h.theft for h in one.truth) >= 6


def test_the_owner_comes_in_his_hours_or_is_registered_and_thieves_are_neither() -> None:
    for one in simulate_nights(10, 4):
        schedules = CameraSchedules(one.site, one.site.cameras[0])
        (name,) = one.site.schedules
        for happening in one.truth:
            own = schedules.holds(name, happening.began_at)
            registered = any(
                visit.zone == happening.zone and visit.start <= happening.began_at <= visit.end for visit in one.visits
            )
            if happening.allowed:
                assert own or registered
            elif happening.theft:
                assert not own
        assert [visit.zones for visit in one.site.visits] == [(visit.zone,) for visit in one.visits]
        since = [visit.since.timestamp() for visit in one.site.visits]
        assert since == pytest.approx([visit.start for visit in one.visits], abs=1e-3)


def test_records_rise_on_the_grid_and_no_hole_makes_a_fold_forget(
    one: SimulatedNight, records: list[Detections]
) -> None:
    gaps = [after.captured_at - before.captured_at for before, after in pairwise(records)]
    assert min(gaps) > 0
    assert max(gaps) <= 10.0
    assert all(record.slot == round(record.captured_at * 1000) and record.slot % 500 == 0 for record in records)
    assert {record.gap for record in records} == {None, "idle"}
    looked = np.array([record.captured_at for record in records if record.gap is None])
    for happening in one.truth:
        inside = (looked >= happening.began_at) & (looked <= happening.ended_at)
        assert inside.sum() >= one.fps * (happening.ended_at - happening.began_at) - 2


def test_thieves_are_seen_in_the_zone_that_they_steal_from(one: SimulatedNight, records: list[Detections]) -> None:
    zones = {zone.id: shapely.Polygon(zone.polygon) for zone in one.site.cameras[0].zones}
    for happening in (it for it in one.truth if it.theft):
        during = [r for r in records if happening.acted_at <= r.captured_at <= happening.ended_at and r.gap is None]
        inside = sum(bool(_feet_in(record, zones[happening.zone])) for record in during)
        assert inside >= 15  # pictures at two a second
        before = [r for r in records if happening.began_at <= r.captured_at < happening.acted_at - 3 and r.gap is None]
        assert sum(bool(_feet_in(record, zones[happening.zone])) for record in before) <= 0.5 * len(before)


def content(record: Detections) -> tuple[object, ...]:
    """What a record says; where nothing was seen, an archive does not know how long a look would have been."""
    boxes = (record.xyxy.tobytes(), record.scores.tobytes(), record.labels.tobytes(), record.appearance.tobytes())
    return record.slot, record.gap, record.profile, record.scene, *boxes


def _feet_in(record: Detections, zone: shapely.Polygon) -> int:
    people = record.xyxy[np.isin(record.labels, (PERSON, UNKNOWN)) & (record.scores < 1)]
    feet = np.stack([(people[:, 0] + people[:, 2]) / 2, people[:, 3]], axis=1) / (record.width, record.height)
    return int(shapely.contains_xy(zone, feet).sum())


def test_what_moves_without_a_name_is_what_the_detect_worker_makes_of_it(records: list[Detections]) -> None:
    busy = [record for record in records if record.scene.moved]
    assert len(busy) > 100
    for record in busy[::7]:
        named = record.labels != UNKNOWN
        frame = Frame(
            camera="lane",
            epoch=1,
            slot=record.slot,
            captured_at=record.captured_at,
            received_at=record.captured_at,
            width=record.width,
            height=record.height,
            scene=record.scene,
        )
        expected = detect_stage.unnamed_movers(
            frame, Boxes(record.xyxy[named], record.scores[named], record.labels[named])
        )
        np.testing.assert_allclose(record.xyxy[~named], expected.xyxy, atol=0.06)
        np.testing.assert_allclose(record.scores[~named], expected.scores)


def test_what_stays_is_where_the_vehicle_stands(one: SimulatedNight, records: list[Detections]) -> None:
    regions = {region.still_since for record in records for region in record.scene.still}
    stands = sorted(rest.since for act in one.acts for rest in act.rests)
    assert regions
    assert regions <= set(stands)


def test_the_command_writes_what_the_other_commands_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one: SimulatedNight
) -> None:
    assert cli.main(["simulate", "--out", str(tmp_path), "--nights", "1", "--seed", "3"]) == 0
    assert "SIMULATED" in capsys.readouterr().out
    kept = list(detections_archive.read(tmp_path / "detections"))
    assert [content(record) for record in kept[:FEW]] == [content(record) for record in islice(one.records, FEW)]
    assert loader.load(tmp_path / "site.yaml") == one.site
    thefts = [happening for happening in one.truth if happening.theft]
    found = truths(tmp_path / "truth" / "lane-000.yaml")
    assert [it.key for it in found] == [("lane-000", "produce_theft", theft.zone) for theft in thefts]
    assert [it.at for it in found] == pytest.approx([theft.acted_at for theft in thefts], abs=0.01)
    for file in tmp_path.rglob("*.yaml"):
        assert file.read_text(encoding="utf-8").startswith("# SIMULATED")
    assert cli.main(["simulate", "--out", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
