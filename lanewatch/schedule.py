"""When a site's schedules hold at a camera: by the clock there, by the calendar and by the sun."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from lanewatch import sun
from lanewatch.site import DAYS, Camera, Schedule, Site

DAY_MINUTES = 24 * 60


class Schedules:
    """A site's schedules as they hold at one camera.

    Made for being asked at every step: an answer is kept for the minute that it is for, which loses nothing since
    hours are given in minutes. Its answers depend on nothing but the site, the camera and the time asked about.
    """

    def __init__(self, site: Site, camera: Camera) -> None:
        self._zone = ZoneInfo(camera.time_zone or site.time_zone)
        self._latitude, self._longitude = camera.latitude, camera.longitude
        self._schedules = site.schedules
        self._last: dict[str, tuple[int, bool]] = {}

    def holds(self, name: str | None, captured_at: float) -> bool:
        """Whether the schedule of that name holds; none at all always does.

        Args:
            name: a key of the site's schedules, or None.
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
        held = self._holds(self._schedules[name], minute * 60)
        self._last[name] = (minute, held)
        return held

    def condition(self, captured_at: float) -> sun.Condition:
        """Day, dusk or night at the camera."""
        return sun.condition(sun.elevation(self._latitude, self._longitude, captured_at))

    def _holds(self, schedule: Schedule, at: int) -> bool:
        local = datetime.fromtimestamp(at, UTC).astimezone(self._zone)
        return by_clock(schedule, local) and by_sun(schedule, sun.elevation(self._latitude, self._longitude, at))


def by_clock(schedule: Schedule, local: datetime) -> bool:
    """Whether hours, days and months of a schedule hold at a camera's local time, the sun left aside.

    Hours that pass midnight belong to the day and the month in which they began. The clock on the wall decides: the
    hour that summer time skips is not made up for, the one that winter time repeats counts twice.
    """
    minute = local.hour * 60 + local.minute
    for start, end in spans(schedule):
        began = 0 if start <= minute else 1
        if minute + began * DAY_MINUTES < end and _on(schedule, local - timedelta(days=began)):
            return True
    return False


def by_sun(schedule: Schedule, elevation: float) -> bool:
    """Whether a schedule holds at that height of the sun (degrees), the clock left aside."""
    if schedule.sun == "any":
        return True
    if schedule.sun == "dark":
        return elevation <= 0
    return sun.condition(elevation) == schedule.sun


def spans(schedule: Schedule) -> list[tuple[int, int]]:
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
