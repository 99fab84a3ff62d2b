"""When a site's schedules hold at a camera: by the clock there, by the calendar and by the sun."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from lanewatch import sun
from lanewatch.config.fields import DAYS, Schedule
from lanewatch.config.site import Camera, RegisteredVisit, Site
from lanewatch.records import Bool, Float64

DAY_MINUTES = 24 * 60


class CameraSchedules:
    """A site's schedules as they hold at one camera.

    Made for being asked at every step: an answer is kept for the minute that it is for, which loses nothing since
    hours are given in minutes. Its answers depend on nothing but the site, the camera and the time asked about.
    """

    def __init__(self, site: Site, camera: Camera) -> None:
        self._zone = ZoneInfo(camera.time_zone or site.time_zone)
        self._latitude, self._longitude = camera.latitude, camera.longitude
        self._schedules = site.schedules
        self._last: dict[str | Schedule, tuple[int, bool]] = {}
        self._visits = [
            (visit.since.timestamp(), visit.until.timestamp(), visit)
            for visit in site.visits
            if not visit.cameras or camera.id in visit.cameras
        ]

    def holds(self, name: str | Schedule | None, captured_at: float) -> bool:
        """Whether the schedule of that name holds, or one that is written out; none at all always does.

        Args:
            name: a key of the site's schedules, a schedule, or None.
            captured_at: seconds since the Unix epoch, UTC.

        Raises:
            KeyError: the site has no such schedule.
        """
        if name is None:
            return True
        minute = int(captured_at // 60)
        last = self._last.get(name)
        if last is not None and last[0] == minute:
            return last[1]
        held = self._holds(self._schedules[name] if isinstance(name, str) else name, minute * 60)
        self._last[name] = (minute, held)
        return held

    def registered(self, zone: str, captured_at: float, by: str) -> RegisteredVisit | None:
        """The visit of somebody who comes by that means to that zone at that time, if one is registered."""
        for since, until, visit in self._visits:
            if since <= captured_at < until and by in visit.by and (not visit.zones or zone in visit.zones):
                return visit
        return None

    def condition(self, captured_at: float) -> sun.Condition:
        """Day, dusk or night at the camera."""
        return sun.condition(sun.elevation(self._latitude, self._longitude, captured_at))

    def _holds(self, schedule: Schedule, at: int) -> bool:
        local = datetime.fromtimestamp(at, UTC).astimezone(self._zone)
        return by_clock(schedule, local) and by_sun(schedule.sun, sun.elevation(self._latitude, self._longitude, at))


def by_clock(schedule: Schedule, local: datetime) -> bool:
    """Whether hours, days and months of a schedule hold at a camera's local time, the sun left aside.

    Hours that pass midnight belong to the day and the month in which they began. The clock on the wall decides: the
    hour that summer time skips is not made up for, the one that winter time repeats counts twice.
    """
    minute = local.hour * 60 + local.minute
    for start, end in minute_spans(schedule):
        began = 0 if start <= minute else 1
        if minute + began * DAY_MINUTES < end and _on(schedule, local - timedelta(days=began)):
            return True
    return False


def by_sun(wanted: str, elevation: float) -> bool:
    """Whether the sun stands as a schedule's ``sun`` wishes, at a height in degrees."""
    if wanted == "any":
        return True
    if wanted == "dark":
        return elevation <= 0
    return sun.condition(elevation) == wanted


def minute_spans(schedule: Schedule) -> list[tuple[int, int]]:
    """A schedule's hours in minutes after the midnight before they begin, ends above 1440 where they pass the next one.

    Hours that end when they begin last a whole day.
    """
    result = []
    for hours in schedule.hours or ("00:00-24:00",):
        start, end = (int(time[:2]) * 60 + int(time[3:]) for time in hours.split("-"))
        result.append((start, end if end > start else end + DAY_MINUTES))
    return result


def _on(schedule: Schedule, began: datetime) -> bool:
    return (not schedule.days or DAYS[began.weekday()] in schedule.days) and (
        not schedule.months or began.month in schedule.months
    )


def longest_overlap(schedules: Sequence[Schedule], zone: ZoneInfo, latitude: float, longitude: float) -> float:
    """The longest time in seconds for which schedules all hold together at a place; 0 for never, infinite for always.

    Found by trying a week in each half month at steps of five minutes, with the sun of the week's first day: it may
    be wrong by some minutes where the sun decides, and is meant for telling sense from nonsense.
    """
    # half degrees: neighbours share what is found, at two minutes of the sun's time at most
    return _longest(tuple(schedules), zone.key, round(2 * latitude) / 2, round(2 * longitude) / 2)


@lru_cache(maxsize=4096)
def _longest(schedules: tuple[Schedule, ...], zone: str, latitude: float, longitude: float) -> float:
    clock = np.logical_and.reduce([_week(schedule) for schedule in schedules])
    months = set.intersection(*(set(schedule.months or range(1, 13)) for schedule in schedules))
    if not months or not clock.any():
        return 0.0
    if all(schedule.sun == "any" for schedule in schedules):
        return _longest_run(clock) * 60.0
    return max(
        _longest_run(clock & _sunny([schedule.sun for schedule in schedules], heights)) * 60.0
        for month, heights in _heights(zone, latitude, longitude)
        if month in months
    )


def _week(schedule: Schedule) -> Bool:
    """(10080,) bool: in which minutes of a week, from Monday on, its hours and days hold."""
    held = np.zeros(7 * DAY_MINUTES, np.bool_)
    for day, name in enumerate(DAYS):
        for start, end in minute_spans(schedule) if not schedule.days or name in schedule.days else ():
            held[np.arange(day * DAY_MINUTES + start, day * DAY_MINUTES + end) % len(held)] = True
    return held


def _sunny(wanted: Sequence[str], heights: Float64) -> Bool:
    """(10080,) bool: in which minutes of a week the sun stands as all wish."""
    day = [all(by_sun(sun_wish, height) for sun_wish in wanted) for height in heights]
    return np.tile(np.repeat(np.array(day, np.bool_), _SUN_STEP), 7)


_SUN_STEP = 5


@lru_cache(maxsize=256)
def _heights(zone: str, latitude: float, longitude: float) -> list[tuple[int, Float64]]:
    """For the 6th and 21st of each month: the sun's height over that local day, every five minutes."""
    days = [datetime(2026, month, day, tzinfo=ZoneInfo(zone)) for month in range(1, 13) for day in (6, 21)]
    steps = range(0, DAY_MINUTES * 60, _SUN_STEP * 60)
    return [
        (day.month, np.array([sun.elevation(latitude, longitude, day.timestamp() + step) for step in steps]))
        for day in days
    ]


def _longest_run(held: Bool) -> float:
    """The longest run of True in a week that goes round; infinite where all of it is."""
    if held.all():
        return math.inf
    turned = np.roll(held, -int(np.argmin(held)))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], turned, [False])).astype(np.int8)))
    return float(np.max(edges[1::2] - edges[::2], initial=0))
