"""Counts by kind, camera and light; the observation time; and the comparison of two runs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from detectors.evaluation import comparison, observation_time, results
from detectors.evaluation.ground_truth import Alarm, TruthLabels
from detectors.evaluation.observation_time import ObservationTime
from detectors.evaluation.results import Results, Tally
from detectors.evaluation.summary import row
from lanewatch.records import Gap
from tests.detectors.evaluation.examples import START, alarm, labels, truth
from tests.detectors.walker_records import make_record, site


def evaluate(alarms: Sequence[Alarm], *spans: TruthLabels, **options: Any) -> Results:
    light = observation_time.light_of(None)
    rule = results.window_rule()
    seconds = observation_time.labelled_time(spans, light)
    return results.evaluate(alarms, spans, rule, light=light, seconds=seconds, **options)


def test_split_figures_add_up() -> None:
    span = labels(
        truth(100, condition="night"),
        truth(200, condition="night"),
        truth(300, "intrusion", zone="field", condition="dusk"),
        condition="night",
    )
    alarms = [
        alarm(103, condition="night"),
        alarm(211, condition="night"),  # too late: false, and a miss
        alarm(300, "intrusion", zone="field", condition="night"),  # the truth's value counts
        alarm(500, "intrusion", zone="field", condition="dusk"),
    ]
    result = evaluate(alarms, span)
    hour = 3600.0
    assert result.tally == Tally(2, 2, 1, hour)
    assert result.by("kind") == {"intrusion": Tally(1, 1, 0, hour), "loitering": Tally(1, 1, 1, hour)}
    assert result.by("condition") == {"dusk": Tally(1, 1, 0, None), "night": Tally(1, 1, 1, hour)}
    assert result.by("camera") == {"lane": Tally(2, 2, 1, hour)}
    assert result.by("zone") == {"field": Tally(1, 1, 0), "yard": Tally(1, 1, 1)}
    figures = row(result.tally)
    assert (figures["f1"], figures["recall"], figures["precision"]) == (pytest.approx(4 / 7), pytest.approx(2 / 3), 0.5)
    assert figures["false_per_camera_day"] == pytest.approx(48.0)
    assert figures["false_interval"] == pytest.approx([0.2422 * 24, 7.2247 * 24], abs=0.01)  # Garwood's of 2


@pytest.mark.parametrize(
    ("unlabelled", "reason"),
    [
        (alarm(50, camera="square"), "alarms of cameras without labels"),
        (alarm(4000), "alarms outside of the labelled time"),
        (alarm(-5), "alarms outside of the labelled time"),
        (alarm(50, "line_crossing"), "alarms of kinds that were not labelled"),
    ],
)
def test_unlabelled_alarms_are_excluded(unlabelled: Alarm, reason: str) -> None:
    result = evaluate([unlabelled], labels(truth(100), kinds=frozenset({"loitering"})))
    assert result.excluded == {reason: 1}
    assert result.tally == Tally(0, 0, 1, 3600.0)


def test_without_truths_every_alarm_is_false() -> None:
    assert evaluate([alarm(50), alarm(90, "intrusion")], labels()).tally == Tally(0, 2, 0, 3600.0)


def test_a_truth_without_a_zone_matches_any_zone() -> None:
    span = labels(truth(100, zone=None), truth(200, zone="yard"))
    assert evaluate([alarm(101, zone="field"), alarm(201, zone="yard")], span).tally.hits == 2
    assert evaluate([alarm(101, zone="field")], labels(truth(100, zone="yard"))).tally.hits == 0


def test_the_sun_gives_the_light_if_nothing_else_does() -> None:
    """At Seosan on 15 January the sun rises at 7:45 and sets at 17:36; civil twilight lasts 28 minutes."""
    lane = site(camera={"latitude": 36.78, "longitude": 126.45})
    light = observation_time.light_of(lane)
    hours = {hour: light("lane", START + (hour - 2) * 3600) for hour in (2.0, 7.5, 12.0, 17.8, 19.0)}
    assert hours == {2.0: "night", 7.5: "dusk", 12.0: "day", 17.8: "dusk", 19.0: "night"}
    assert light("elsewhere", START) == ""
    whole_day = observation_time.labelled_time([labels(seconds=86_400.0)], light)
    assert sum(whole_day.values()) == pytest.approx(86_400.0)
    assert whole_day["lane", "day"] / 3600 == pytest.approx(9.8, abs=0.2)


def count(*parts: tuple[float, float, Gap | None], **changes: Any) -> ObservationTime:
    """Counts records at one a second: (from, to, gap)."""
    counted = ObservationTime([labels(seconds=None)], observation_time.light_of(None))
    rows = [
        make_record(START + at, epoch=1, gap=gap, **changes)
        for begin, end, gap in parts
        for at in range(int(begin), int(end) + 1)
    ]
    assert list(counted.through(rows)) == rows
    return counted


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(0, 60, None)], 60.0),
        ([(0, 60, None), (160, 200, None)], 100.0),  # nothing came for 100 s
        ([(0, 60, "idle")], 60.0),  # a camera without motion is observed
        ([(0, 60, None), (61, 90, "lost"), (91, 100, None)], 69.0),  # out of reach
        ([(0, 60, None), (61, 61, "ended"), (62, 70, None)], 69.0),  # played again
        ([(0, 60, None), (0, 60, None)], 60.0),  # all of it twice
        ([(30, 60, None), (0, 40, None), (61, 70, None)], 40.0),  # out of order
    ],
)
def test_the_observation_time_has_no_gaps(parts: list[tuple[float, float, Gap | None]], expected: float) -> None:
    assert count(*parts).seconds == {("lane", ""): pytest.approx(expected)}


def test_infrared_is_a_light_of_its_own() -> None:
    counted = count((0, 30, None), profile="infrared")
    assert counted.seconds == {("lane", "infrared"): pytest.approx(30.0)}
    assert (counted.light("lane", START + 20), counted.light("lane", START + 90)) == ("infrared", "")


def test_two_runs_are_compared() -> None:
    """Of ten truths the first finds 1-9, the second 5-10 and one alarm that is false: McNemar's 4 against 1."""
    span = labels(*(truth(3600.0 * n) for n in range(10)), seconds=40_000.0)
    first = evaluate([alarm(3600.0 * n + 1) for n in range(9)], span)
    second = evaluate([*(alarm(3600.0 * n + 1) for n in range(4, 10)), alarm(1800)], span)
    compared = comparison.compare(first, second)
    assert (compared["both"], compared["neither"]) == (5, 0)
    assert (len(compared["only_first"]), len(compared["only_second"])) == (4, 1)
    assert [event["at"] for event in compared["only_second"]] == [START + 9 * 3600]
    assert compared["p"] == pytest.approx(0.375)  # 2 (1 + 5) / 32
    assert (compared["false_first"], compared["false_second"]) == (0, 1)
    assert compared["f1_difference"] == pytest.approx(12 / 17 - 18 / 19)
    low, high = compared["f1_interval"]
    assert low < compared["f1_difference"] < high
    assert comparison.compare(first, first)["f1_interval"] == (0.0, 0.0)


def test_runs_with_other_truths_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different truths"):
        comparison.compare(evaluate([], labels(truth(1))), evaluate([], labels(truth(2))))


def test_order_does_not_matter() -> None:
    span = labels(*(truth(20.0 * n) for n in range(20)))
    alarms = [alarm(20.0 * n + n % 13 - 1) for n in range(20)]
    shuffled = random.Random(5).sample(alarms, len(alarms))
    reversed_span = msgspec.structs.replace(span, events=span.events[::-1])
    assert evaluate(shuffled, reversed_span).tally == evaluate(alarms, span).tally
