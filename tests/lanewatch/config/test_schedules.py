"""Schedules compared with the calendar, the local clock and tables of the sun."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lanewatch.config.fields import LocalizedName, Schedule
from lanewatch.config.schedules import CameraSchedules, longest_overlap
from lanewatch.config.site import Camera, Site

NAME = LocalizedName(ko="서산", en="Seosan")


def schedules(schedule: dict[str, Any], *, camera_zone: str | None = None, latitude: float = 36.78) -> CameraSchedules:
    camera = Camera(id="c1", name=NAME, url="clip.mp4", latitude=latitude, longitude=126.45, time_zone=camera_zone)
    site = Site.model_validate({"name": NAME, "cameras": [camera], "schedules": {"s": schedule}})
    return CameraSchedules(site, camera)


def at(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


NIGHT = {"hours": ["22:00-05:00"]}
FRIDAY_NIGHT = {"hours": ["22:00-05:00"], "days": ["fri"]}
OCTOBER_NIGHT = {"hours": ["22:00-05:00"], "months": [10]}
LUNCH_AND_EVENING = {"hours": ["12:00-13:30", "18:00-24:00"]}
NOON_TO_NOON = {"hours": ["12:00-12:00"], "days": ["fri"], "sun": "night"}


@pytest.mark.parametrize(
    ("schedule", "korean_time", "expected"),
    [
        ({}, "2026-01-15T03:00", True),  # no condition: always
        (NIGHT, "2026-01-15T21:59:59.9", False),  # just before
        (NIGHT, "2026-01-15T22:00", True),  # its first instant belongs to it
        (NIGHT, "2026-01-15T23:59:59", True),
        (NIGHT, "2026-01-16T00:00", True),  # past midnight
        (NIGHT, "2026-01-16T04:59:59.9", True),
        (NIGHT, "2026-01-16T05:00", False),  # its last instant doesn't
        (NIGHT, "2026-01-16T12:00", False),
        (FRIDAY_NIGHT, "2026-01-16T22:30", True),  # 16 January 2026 is a Friday
        (FRIDAY_NIGHT, "2026-01-17T04:00", True),  # Saturday morning: the night that began on Friday
        (FRIDAY_NIGHT, "2026-01-16T04:00", False),  # Friday morning: the night that began on Thursday
        (FRIDAY_NIGHT, "2026-01-17T22:30", False),
        (OCTOBER_NIGHT, "2026-10-31T23:00", True),
        (OCTOBER_NIGHT, "2026-11-01T04:00", True),  # began in October
        (OCTOBER_NIGHT, "2026-10-01T04:00", False),  # began in September
        (OCTOBER_NIGHT, "2026-11-01T23:00", False),
        (LUNCH_AND_EVENING, "2026-01-15T12:30", True),
        (LUNCH_AND_EVENING, "2026-01-15T13:30", False),
        (LUNCH_AND_EVENING, "2026-01-15T23:59", True),
        (LUNCH_AND_EVENING, "2026-01-16T00:00", False),  # 24:00 ends the day
        ({"days": ["sat", "sun"]}, "2026-01-17T00:00", True),
        ({"days": ["sat", "sun"]}, "2026-01-19T00:00", False),
        ({"months": [6, 7]}, "2026-06-01T00:00", True),
        ({"months": [6, 7]}, "2026-05-31T23:59", False),
        ({"sun": "day"}, "2026-06-21T18:30", True),  # the sun sets at 19:58 there
        ({"sun": "day"}, "2026-12-22T18:30", False),  # it set at 17:21
        ({"sun": "night"}, "2026-12-22T18:30", True),
        ({"sun": "dusk"}, "2026-12-22T17:35", True),
        ({"sun": "night"}, "2026-12-22T17:35", False),
        ({"sun": "dark"}, "2026-12-22T17:35", True),  # dusk or night
        ({"sun": "dark"}, "2026-12-22T12:00", False),
        ({"hours": ["18:00-20:00"], "sun": "night"}, "2026-12-22T19:00", True),  # both must hold
        ({"hours": ["18:00-20:00"], "sun": "night"}, "2026-06-21T19:00", False),
        ({"hours": ["18:00-20:00"], "sun": "night"}, "2026-12-22T21:00", False),
        (NOON_TO_NOON, "2026-01-16T20:00", True),  # the night that begins on Friday
        (NOON_TO_NOON, "2026-01-17T03:00", True),
        (NOON_TO_NOON, "2026-01-16T03:00", False),
        (NOON_TO_NOON, "2026-01-16T12:30", False),  # the day
    ],
)
def test_holds(schedule: dict[str, Any], korean_time: str, expected: bool) -> None:
    assert schedules(schedule).holds("s", at(f"{korean_time}+09:00")) is expected


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2026-03-29T00:30", False),  # 01:30, winter time
        ("2026-03-29T01:00", True),  # 03:00, summer time: 02:00-03:00 was skipped
        ("2026-03-29T01:29", True),
        ("2026-03-29T01:30", False),  # 03:30: half an hour was all that there was
        ("2026-10-25T00:29", False),  # 02:29, summer time
        ("2026-10-25T00:30", True),  # 02:30, summer time
        ("2026-10-25T01:00", False),  # 02:00 again, winter time
        ("2026-10-25T01:30", True),  # 02:30 again
        ("2026-10-25T02:30", False),  # 03:30
    ],
)
def test_the_local_clock_decides_when_daylight_saving_time_changes(utc: str, expected: bool) -> None:
    berlin = schedules({"hours": ["02:30-03:30"]}, camera_zone="Europe/Berlin")
    assert berlin.holds("s", at(f"{utc}+00:00")) is expected


def test_hours_are_those_of_the_cameras_time_zone() -> None:
    noon_in_seoul = at("2026-01-15T12:00+09:00")
    noon = {"hours": ["12:00-12:01"]}
    assert schedules(noon).holds("s", noon_in_seoul)
    assert not schedules(noon, camera_zone="Asia/Kathmandu").holds("s", noon_in_seoul)
    assert schedules(noon, camera_zone="Asia/Kathmandu").holds("s", at("2026-01-15T12:00+05:45"))


def test_the_days_are_those_of_the_cameras_time_zone() -> None:
    friday = {"days": ["fri"]}
    friday_in_seoul = at("2026-01-15T20:00+00:00")
    assert schedules(friday).holds("s", friday_in_seoul)
    assert not schedules(friday, camera_zone="UTC").holds("s", friday_in_seoul)


def test_no_schedule_always_holds() -> None:
    assert schedules({}).holds(None, 0.0)


def test_an_unknown_schedule_is_an_error() -> None:
    with pytest.raises(KeyError, match="nights"):
        schedules({}).holds("nights", 0.0)


def test_results_do_not_depend_on_earlier_calls() -> None:
    times = [
        at(f"2026-01-{day}T{hour:02}:{minute:02}+09:00") for day in (15, 16) for hour in range(24) for minute in (0, 59)
    ]
    expected = [schedules(NIGHT).holds("s", t) for t in times]
    reused = schedules(NIGHT)
    for order in (1, -1):
        assert [reused.holds("s", t) for t in times[::order]] == expected[::order]


@pytest.mark.parametrize(("latitude", "expected"), [(69.65, "day"), (36.78, "night")])
def test_condition_depends_on_the_camera(latitude: float, expected: str) -> None:
    """At midsummer's midnight the sun shines in the far north."""
    assert schedules({}, latitude=latitude).condition(at("2026-06-21T00:30+09:00")) == expected


DARK, DAY = {"sun": "dark"}, {"sun": "day"}
H = 3600.0


@pytest.mark.parametrize(
    ("overlapping", "at_least", "at_most"),
    [
        ([{}], math.inf, math.inf),
        ([NIGHT], 7 * H, 7 * H),
        ([{"hours": ["22:00-24:00", "00:00-05:00"]}], 7 * H, 7 * H),  # they touch at midnight
        ([LUNCH_AND_EVENING], 6 * H, 6 * H),
        ([{"hours": ["12:00-12:00"], "days": ["fri"]}], 24 * H, 24 * H),
        ([{"days": ["sat", "sun"]}], 48 * H, 48 * H),
        ([{"days": ["sun", "mon"]}], 48 * H, 48 * H),  # over the week's end
        ([NIGHT, {"hours": ["04:00-06:00"]}], 1 * H, 1 * H),  # their common part
        ([NIGHT, {"hours": ["05:00-22:00"]}], 0, 0),
        ([{"months": [3]}, {"months": [4]}], 0, 0),
        ([DARK], 14 * H, 14.8 * H),  # the longest of Seosan's nights, sunset to sunrise 14 h 23 min
        ([DAY], 14.4 * H, 14.8 * H),  # and its longest day, 14 h 41 min with the sun's edge and the air
        ([{"sun": "night", "months": [6]}], 7.9 * H, 8.7 * H),  # without civil twilight at midsummer: 8 h 20 min
        ([{"sun": "dusk"}], 0.5 * H, 0.7 * H),  # 36 minutes at midsummer
        ([{"sun": "night", "hours": ["12:00-13:00"]}], 0, 0),
        ([{"sun": "day", "hours": ["19:00-20:00"]}], 0.7 * H, 1 * H),  # in June only
        ([{"sun": "day", "hours": ["19:00-20:00"], "months": [12]}], 0, 0),
    ],
)
def test_longest_overlap(overlapping: list[dict[str, Any]], at_least: float, at_most: float) -> None:
    found = longest_overlap([Schedule(**schedule) for schedule in overlapping], ZoneInfo("Asia/Seoul"), 36.78, 126.45)
    assert at_least <= found <= at_most


def test_longest_overlap_where_the_sun_never_sets() -> None:
    june = {"months": [6]}
    seoul = ZoneInfo("Asia/Seoul")
    assert longest_overlap([Schedule(sun="day", **june)], seoul, 75.0, 126.45) == math.inf
    assert longest_overlap([Schedule(sun="night", **june)], seoul, 75.0, 126.45) == 0
