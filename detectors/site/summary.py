"""A summary of a site for people: its cameras, zones and lines, and the kinds of events in each."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.behaviours.registry import enabled
from detectors.correlation.correlator import enabled_correlations
from lanewatch.config.fields import Schedule
from lanewatch.config.site import Camera, Line, Site, Zone


def describe(site: Site) -> str:
    """Lines with the kinds of events and the times of each camera's zones and lines."""
    return "\n".join(_lines(site))


def _lines(site: Site) -> Iterator[str]:
    yield f"{site.name.en} ({site.name.ko}), {site.time_zone}, detector {site.detector.name}"
    for camera in site.cameras:
        rate = f"{camera.rate.active:g} frames a second, {camera.rate.idle:g} while nothing moves"
        yield f"camera {camera.id}: {camera.name.en} ({camera.name.ko}), {_source(camera)}, {rate}"
        for part in camera.places:
            yield f"  {_part(part)}, {_when(site, part.schedule)}: {_watched_for(site, part)}"
        if camera.masks:
            yield f"  privacy masks: {len(camera.masks)}"
        if not camera.places:
            yield "  no zones, no lines: nothing is watched for here"
    yield f"all cameras together: {', '.join(enabled_correlations(site)) or 'nothing is looked for'}"
    for bell in site.bells:
        yield f"bell {bell.id}: {bell.name.en} ({bell.name.ko}), seen by {bell.camera or 'the nearest camera'}"


def _source(camera: Camera) -> str:
    """The URL's kind only: the rest may be secret."""
    scheme, found, _ = camera.url.partition("://")
    return scheme if found and scheme != "file" else "recording"


def _part(part: Zone | Line) -> str:
    if isinstance(part, Zone):
        return f"zone {part.id} ({part.kind})"
    return f"line {part.id} ({part.direction.replace('_', ' ')})"


def _when(site: Site, name: str | None) -> str:
    if name is None:
        return "always"
    return f"{name}: {_times(site.schedules[name])}"


def _times(schedule: Schedule) -> str:
    parts = [
        " ".join(schedule.hours),
        " ".join(schedule.days),
        f"months {' '.join(map(str, schedule.months))}" if schedule.months else "",
        f"sun: {schedule.sun}" if schedule.sun != "any" else "",
    ]
    return "; ".join(part for part in parts if part) or "always"


def _watched_for(site: Site, part: Zone | Line) -> str:
    place = part.kind if isinstance(part, Zone) else "line"
    if place == "ignore":
        return "nothing is looked at"
    kinds = [kind for kind, behaviour in sorted(enabled(site).items()) if place in behaviour.places]
    return ", ".join(kinds) or "nothing is watched for"
