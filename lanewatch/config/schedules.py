"""When a site's schedules hold at a camera: by the local clock, the calendar and the sun."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from lanewatch import sun
from lanewatch.config.fields import DAYS, Schedule
from lanewatch.config.site import Camera, RegisteredVisit, Site
from lanewatch.records import Bool

DAY_MINUTES = 24 * 60
_SUN_STEP = 5  # minutes between two of the sun's elevations in ``longest_overlap``


class CameraSchedules:
    """A site's schedules as they hold at one camera.

    Behaviours query them at every record, so the last answer of each schedule is cached for its minute.
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

    def holds(self, schedule: str | Schedule | None, captured_at: float) -> bool:
        """Whether a schedule holds: a key of the site's schedules, a schedule, or None, which always holds."""
        if schedule is None:
            return True
        minute = int(captured_at // 60)
        last = self._last.get(schedule)
        if last is not None and last[0] == minute:
            return last[1]
        result = self._holds(self._schedules[schedule] if isinstance(schedule, str) else schedule, minute * 60)
        self._last[schedule] = (minute, result)
        return result

    def registered_visit(self, zone: str, captured_at: float, by: str) -> RegisteredVisit | None:
        """The registered visit, if any, that covers a zone, a capture time and a means of transport."""
        for since, until, visit in self._visits:
            if since <= captured_at < until and by in visit.by and (not visit.zones or zone in visit.zones):
                return visit
        return None

    def condition(self, captured_at: float) -> sun.Condition:
        """Day, dusk or night at the camera."""
        return sun.condition(sun.elevation(self._latitude, self._longitude, captured_at))

    def _holds(self, schedule: Schedule, captured_at: int) -> bool:
        local = datetime.fromtimestamp(captured_at, UTC).astimezone(self._zone)
        return matches_clock(schedule, local) and matches_sun(
            schedule.sun, sun.elevation(self._latitude, self._longitude, captured_at)
        )


def matches_clock(schedule: Schedule, local: datetime) -> bool:
    """Whether hours, days and months of a schedule hold at a camera's local time, without regard to the sun.

    Hours that pass midnight belong to the day and the month in which they began. The local clock decides. The hour
    that daylight saving time skips is not made up for, and the hour that is repeated counts twice.
    """
    minute = local.hour * 60 + local.minute
    for start, end in minute_spans(schedule):
        days_ago = 0 if start <= minute else 1
        if minute + days_ago * DAY_MINUTES < end and _on(schedule, local - timedelta(days=days_ago)):
            return True
    return False


def matches_sun(wanted: str, elevation: float) -> bool:
    """Whether the sun's elevation in degrees fits a schedule's ``sun``; ``dark`` is dusk or night."""
    condition = sun.condition(elevation)
    return wanted in ("any", condition) or (wanted == "dark" and condition != "day")


def minute_spans(schedule: Schedule) -> list[tuple[int, int]]:
    """A schedule's hours as minutes from the midnight before they begin; ends are above 1440 if they pass the next."""
    result = []
    for hours in schedule.hours or ("00:00-24:00",):
        start, end = (int(time[:2]) * 60 + int(time[3:]) for time in hours.split("-"))
        result.append((start, end if end > start else end + DAY_MINUTES))  # 24 hours if both are the same
    return result


def _on(schedule: Schedule, start: datetime) -> bool:
    in_days = not schedule.days or DAYS[start.weekday()] in schedule.days
    return in_days and (not schedule.months or start.month in schedule.months)


def longest_overlap(schedules: Sequence[Schedule], zone: ZoneInfo, latitude: float, longitude: float) -> float:
    """The longest time in seconds for which schedules all hold together at a place; 0 for never, infinite for always.

    It repeats one day of each month over a week. It computes the sun without the equation of time, so a limit by the
    sun may be wrong by a quarter of an hour.
    """
    # Cameras within half a degree share a result, at two minutes of error.
    return _longest_overlap(tuple(schedules), zone, round(2 * latitude) / 2, round(2 * longitude) / 2)


@lru_cache(maxsize=4096)
def _longest_overlap(schedules: tuple[Schedule, ...], zone: ZoneInfo, latitude: float, longitude: float) -> float:
    clock = np.logical_and.reduce([_week(schedule) for schedule in schedules])
    months = set.intersection(*(set(schedule.months or range(1, 13)) for schedule in schedules))
    if not months or not clock.any():
        return 0.0
    suns = {schedule.sun for schedule in schedules} - {"any"}
    if not suns:
        return _longest_run(clock) * 60.0
    return max(_longest_run(clock & _sun_week(suns, month, zone, latitude, longitude)) * 60.0 for month in months)


def _week(schedule: Schedule) -> Bool:
    """(10080,) bool: the minutes of a week, from Monday on, at which a schedule's hours and days hold."""
    week = np.zeros(7 * DAY_MINUTES, np.bool_)
    for day, name in enumerate(DAYS):
        for start, end in minute_spans(schedule) if not schedule.days or name in schedule.days else ():
            week[np.arange(day * DAY_MINUTES + start, day * DAY_MINUTES + end) % len(week)] = True
    return week


def _sun_week(suns: Collection[str], month: int, zone: ZoneInfo, latitude: float, longitude: float) -> Bool:
    """(10080,) bool: the minutes of a week in a month's second half at which the sun fits all of ``suns``.

    The declination is about 23.44 degrees times the sine of the time since 21 March. The hour angle is 15 degrees for
    each hour from noon at the longitude.
    """
    utc_offset = datetime(2026, month, 21, tzinfo=zone).utcoffset() or timedelta()
    declination = math.radians(23.44) * math.sin(2 * math.pi * (month - 3) / 12)
    local_hours = np.arange(0, DAY_MINUTES, _SUN_STEP) / 60
    hour_angle = np.radians(15 * (local_hours - utc_offset.total_seconds() / 3600 - 12) + longitude)
    vertical = math.sin(math.radians(latitude)) * math.sin(declination)
    horizontal = math.cos(math.radians(latitude)) * math.cos(declination)
    elevations = np.degrees(np.arcsin(np.clip(vertical + horizontal * np.cos(hour_angle), -1, 1)))
    day = [all(matches_sun(sun_name, elevation) for sun_name in suns) for elevation in elevations.tolist()]
    return np.tile(np.repeat(np.array(day, np.bool_), _SUN_STEP), 7)


def _longest_run(week: Bool) -> float:
    """The longest run of True in a week that repeats, in minutes; infinite if the whole week is True."""
    if week.all():
        return math.inf
    rotated = np.roll(week, -int(np.argmin(week)))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], rotated, [False])).astype(np.int8)))
    return float(np.max(edges[1::2] - edges[::2], initial=0))
