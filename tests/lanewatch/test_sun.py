"""The sun's elevation compared with published values."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from lanewatch import sun

RISING_OR_SETTING = -0.833
"""Elevation of the sun's centre when its upper edge is on the horizon: half its width plus refraction, degrees."""
DEGREES_PER_MINUTE = 0.25
"""The sun moves by at most this much in a minute, the precision of published times."""


def at(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


@pytest.mark.parametrize(
    ("latitude", "longitude", "published"),
    [
        (37.567, 126.978, "2024-01-01T07:47+09:00"),  # Seoul, sunrise
        (35.180, 129.075, "2024-01-01T07:32+09:00"),  # Busan
        (35.871, 128.602, "2024-01-01T07:36+09:00"),  # Daegu
        (37.456, 126.705, "2024-01-01T07:48+09:00"),  # Incheon
        (36.350, 127.385, "2024-01-01T07:42+09:00"),  # Daejeon
        (37.567, 126.978, "2023-12-31T17:23+09:00"),  # Seoul, sunset
        (35.180, 129.075, "2023-12-31T17:21+09:00"),  # Busan
        (35.160, 126.851, "2023-12-31T17:30+09:00"),  # Gwangju
    ],
)
def test_sunrise_and_sunset_as_published_by_kasi(latitude: float, longitude: float, published: str) -> None:
    """Korea Astronomy and Space Science Institute, news release of 18 December 2023."""
    height = sun.elevation(latitude, longitude, at(published))
    assert height == pytest.approx(RISING_OR_SETTING, abs=1.5 * DEGREES_PER_MINUTE)


def test_elevation_of_the_worked_example_of_nrel() -> None:
    """Reda and Andreas, Solar Position Algorithm, NREL/TP-560-34302, table A5.1: e0 = 39.872046 degrees."""
    height = sun.elevation(39.742476, -105.1786, at("2003-10-17T12:30:30-07:00"))
    assert height == pytest.approx(39.872, abs=0.1)


def almanac_elevation(latitude: float, longitude: float, timestamp: float) -> float:
    """The Astronomical Almanac's low-precision formula (section C), good to .01 degrees between 1950 and 2050."""
    days = timestamp / 86400 + 2440587.5 - 2451545.0
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = math.radians(357.528 + 0.9856003 * days)
    ecliptic = math.radians(mean_longitude + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 0.0000004 * days)
    ascension = math.atan2(math.cos(obliquity) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(obliquity) * math.sin(ecliptic))
    sidereal = math.radians((18.697374558 + 24.06570982441908 * days) * 15 + longitude)
    return math.degrees(
        math.asin(
            math.sin(math.radians(latitude)) * math.sin(declination)
            + math.cos(math.radians(latitude)) * math.cos(declination) * math.cos(sidereal - ascension)
        )
    )


@pytest.mark.parametrize("latitude", [36.78, -33.9, 69.6, 0.0])
@pytest.mark.parametrize("day", ["2026-03-20", "2026-06-21", "2026-09-23", "2026-12-22"])
def test_elevation_by_the_almanac(latitude: float, day: str) -> None:
    for hour in range(24):
        when = at(f"{day}T{hour:02}:20+09:00")
        expected = almanac_elevation(latitude, 126.45, when)
        assert sun.elevation(latitude, 126.45, when) == pytest.approx(expected, abs=0.05)


def test_civil_twilight_ends_as_the_almanac_says() -> None:
    """In Seosan, in mid January: the minute in which night begins, found with the almanac's formula."""
    noon = at("2026-01-15T12:30+09:00")
    expected = next(m for m in range(600) if almanac_elevation(36.78, 126.45, noon + m * 60) < -6)
    conditions = [sun.condition(sun.elevation(36.78, 126.45, noon + m * 60)) for m in range(600)]
    assert abs(conditions.index("night") - expected) <= 1
    assert conditions == sorted(conditions, key=["day", "dusk", "night"].index)
    assert 27 <= conditions.count("dusk") + 1 <= 36  # civil twilight less the 3-4 minutes to the sun's upper edge


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(40, "day"), (0.01, "day"), (0, "dusk"), (-3, "dusk"), (-6, "dusk"), (-6.01, "night"), (-50, "night")],
)
def test_condition(degrees: float, expected: str) -> None:
    assert sun.condition(degrees) == expected


def test_the_elevation_is_the_same_within_a_minute() -> None:
    begin = at("2026-01-15T17:45+09:00")
    answers = {sun.elevation(36.78, 126.45, begin + second) for second in (0, 0.4, 31, 59.99)}
    assert len(answers) == 1
    assert sun.elevation(36.78, 126.45, begin + 60) not in answers
