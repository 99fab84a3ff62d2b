"""What makes no sense in a site, though each of its values is allowed: names, shapes and times that don't fit."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from lanewatch import geometry
from lanewatch.config import kafka_checks
from lanewatch.config.fields import Schedule
from lanewatch.config.problems import Finding, Location, suggestion
from lanewatch.config.schedules import longest_overlap
from lanewatch.config.sequences import OFF_LANE, Condition, EventSequence
from lanewatch.config.site import Camera, Line, Point, RegisteredVisit, Site, ThresholdRule, Zone
from lanewatch.records import LABELS

TINY = 0.0005
"""Share of the frame under which a zone is refused: 16 x 16 pixels at 960 x 540, where a foot point jitters by 5."""
SHORT = 0.02
"""Length in fractions under which a line is refused: a walker's stride at 960 x 540 is as long."""
EDGE = 0.03
"""Fraction of the frame that must lie on each side of a line. A box ends at the frame, so a foot is never beyond it;
16 pixels of 540 are what a track needs to be seen on the far side before it is gone."""
COVERED = 0.02
"""Share of a zone left free under which it counts as wholly hidden: hand-drawn masks never fit exactly."""


KINDS = ("watch", "closed", "produce", "lane")
"""Of zones at which something can happen."""


class DefinedNames(NamedTuple):
    """What a file defines, its broken parts included."""

    schedules: set[str]
    cameras: set[str]
    places: set[str]


def findings(site: Site, names: DefinedNames) -> list[Finding]:
    """All that makes no sense in a site, apart from what only the behaviours know.

    Args:
        site: the site, or what is left of it without its wrong parts.
        names: what may be referred to.
    """
    found = [*_repeated((("cameras", n), camera.id) for n, camera in enumerate(site.cameras))]
    found += _time_zone(("time_zone",), site.time_zone)
    for number, camera in enumerate(site.cameras):
        found += _camera(site, camera, ("cameras", number), names)
    found += _repeated((("bells", n), bell.id) for n, bell in enumerate(site.bells))
    for number, bell in enumerate(site.bells):
        if bell.camera is not None and bell.camera not in names.cameras:
            at: Location = ("bells", number, "camera")
            found.append(_unknown(at, "camera", bell.camera, names.cameras, "remove it"))
    for kind, watching in site.behaviours.items():
        for number, rule in enumerate(watching.rules):
            found += _rule(rule, ("behaviours", kind, "rules", number), names)
    found += _repeated((("composites", n), one.id) for n, one in enumerate(site.composites))
    for number, composite in enumerate(site.composites):
        found += _composite(composite, ("composites", number), names)
    for number, visit in enumerate(site.visits):
        found += _visit(visit, ("visits", number), names)
    found += kafka_checks.findings(site.kafka, ("kafka",))
    return found


def _camera(site: Site, camera: Camera, at: Location, names: DefinedNames) -> Iterator[Finding]:
    parts: list[tuple[Location, Zone | Line]] = [
        *(((*at, "zones", n), zone) for n, zone in enumerate(camera.zones)),
        *(((*at, "lines", n), line) for n, line in enumerate(camera.lines)),
    ]
    yield from _repeated((place, part.id) for place, part in parts)
    if camera.time_zone is not None:
        yield from _time_zone((*at, "time_zone"), camera.time_zone)
    if camera.rate.idle > camera.rate.active:
        what = f"the idle rate {camera.rate.idle:g} is above the active rate {camera.rate.active:g}"
        yield Finding((*at, "rate"), what, "a still picture is looked at less often: exchange them")
    hiding = [zone.polygon for zone in camera.zones if zone.kind == "ignore" and _is_sound(zone.polygon)]
    for number, mask in enumerate(camera.masks):
        wrong = [*_polygon((*at, "masks", number), "the mask", mask, smallest=0.0)]
        hiding += [] if wrong else [mask]
        yield from wrong
    for place, part in parts:
        if isinstance(part, Zone):
            if part.owner_hours is not None and part.owner_hours not in names.schedules:
                yield _no_schedule((*place, "owner_hours"), part.owner_hours, names)
            yield from _zone(part, place, hiding)
        else:
            yield from _line(part, place, hiding)
        yield from _schedule(site, camera, part, place, names)


def _composite(composite: EventSequence, at: Location, names: DefinedNames) -> Iterator[Finding]:
    for number, schedule in enumerate(composite.when):
        if isinstance(schedule, str) and schedule not in names.schedules:
            yield _no_schedule((*at, "when", number), schedule, names)
    for number, lowerer in enumerate(composite.lowerers):
        if lowerer.schedule is not None and lowerer.schedule not in names.schedules:
            yield _no_schedule((*at, "lowerers", number, "schedule"), lowerer.schedule, names)
    places = {*names.places, *KINDS, OFF_LANE}
    signs: list[tuple[Location, Condition]] = [((*at, "raisers", n), one) for n, one in enumerate(composite.raisers)]
    for number, step in enumerate(composite.steps):
        signs.append(((*at, "steps", number), step))
        signs += [((*at, "steps", number, "otherwise", n), one) for n, one in enumerate(step.otherwise)]
    for place, sign in signs:
        for number, name in enumerate(sign.where):
            if name not in places:
                yield _unknown((*place, "where", number), "zone or kind of zone", name, places, "remove it")


def _visit(visit: RegisteredVisit, at: Location, names: DefinedNames) -> Iterator[Finding]:
    for key, noun, given, known in (
        ("cameras", "camera", visit.cameras, names.cameras),
        ("zones", "zone", visit.zones, names.places),
    ):
        for number, name in enumerate(given):
            if name not in known:
                yield _unknown((*at, key, number), noun, name, known, "remove it")
    if visit.until <= visit.since:
        yield Finding((*at, "until"), "the visit ends before it begins", "exchange `since` and `until`")


def _no_schedule(at: Location, name: str, names: DefinedNames) -> Finding:
    return _unknown(at, "schedule", name, names.schedules, "write it under `schedules`")


def _zone(zone: Zone, at: Location, hiding: Sequence[Sequence[Point]]) -> Iterator[Finding]:
    wrong = [*_polygon((*at, "polygon"), f"zone {zone.id}", zone.polygon, smallest=TINY)]
    yield from wrong
    if not wrong and zone.kind != "ignore" and hiding and geometry.uncovered(zone.polygon, hiding) < COVERED:
        yield Finding((*at, "polygon"), f"zone {zone.id} {_HIDDEN}", _UNCOVER)
    if zone.direction is None:
        return
    if zone.kind != "lane":
        yield Finding((*at, "direction"), f"zone {zone.id} is no lane, and has a direction", "make it a lane")
    (x0, y0), (x1, y1) = zone.direction
    if ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 < SHORT:
        what = f"the direction of zone {zone.id} is too short to point anywhere"
        yield Finding((*at, "direction"), what, f"put its points at least {SHORT:.0%} of the frame apart")


_HIDDEN = "lies wholly under privacy masks or zones that are ignored"
_UNCOVER = "nothing can be seen there: move it, or make them smaller"


def _polygon(at: Location, what: str, polygon: Sequence[Point], smallest: float) -> Iterator[Finding]:
    crossing = geometry.self_crossing(polygon)
    area = geometry.area(polygon)
    if crossing is not None:
        yield Finding(
            at, f"{what} crosses or touches itself ({crossing})", "give its corners in order along its border"
        )
    elif area <= smallest:
        yield Finding(
            at, f"{what} covers {area:.2%} of the frame, too little for a foot point", "draw it larger, or remove it"
        )


def _is_sound(polygon: Sequence[Point]) -> bool:
    return geometry.self_crossing(polygon) is None and geometry.area(polygon) > 0


def _line(line: Line, at: Location, hiding: Sequence[Sequence[Point]]) -> Iterator[Finding]:
    (x0, y0), (x1, y1) = line.points
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    if length < SHORT:
        what = f"line {line.id} is {length:.1%} of the frame long, too short to be crossed"
        yield Finding((*at, "points"), what, f"put its points at least {SHORT:.0%} of the frame apart")
        return
    if line.kind == "fence" and line.direction != "both":
        what = f"line {line.id} is a fence, which is climbed either way"
        yield Finding((*at, "direction"), what, "remove its direction")
    across = ((y0 - y1) / length * EDGE, (x1 - x0) / length * EDGE)
    (dx, dy), ends = across, line.points
    ground = [(x + way * dx, y + way * dy) for way, pair in ((1, ends), (-1, ends[::-1])) for x, y in pair]
    if hiding and geometry.uncovered(ground, hiding) < COVERED:
        yield Finding((*at, "points"), f"line {line.id} {_HIDDEN}", _UNCOVER)
    for way in (1, -1):
        steps = [k / 10 for k in range(11)]
        beside = [(x0 + (x1 - x0) * k + way * across[0], y0 + (y1 - y0) * k + way * across[1]) for k in steps]
        if 2 * sum(0 <= x <= 1 and 0 <= y <= 1 for x, y in beside) < len(steps):
            what = f"line {line.id} is too near the frame's edge: a foot can't be seen on both sides of it"
            yield Finding((*at, "points"), what, f"leave {EDGE:.0%} of the frame or more on each side of it")


def _schedule(site: Site, camera: Camera, part: Zone | Line, at: Location, names: DefinedNames) -> Iterator[Finding]:
    if part.schedule is None:
        return
    if part.schedule not in names.schedules:
        yield _no_schedule((*at, "schedule"), part.schedule, names)
        return
    schedule = site.schedules.get(part.schedule)
    if schedule is not None and _never(schedule, camera, site.time_zone):
        what = f"schedule {part.schedule} never holds at this camera, so {part.id} is never watched"
        yield Finding((*at, "schedule"), what, "let its hours, days and sun overlap")


def _never(schedule: Schedule, camera: Camera, time_zone: str) -> bool:
    zone = camera.time_zone or time_zone
    return zone in _zones() and longest_overlap([schedule], ZoneInfo(zone), camera.latitude, camera.longitude) == 0


def _rule(rule: ThresholdRule, at: Location, names: DefinedNames) -> Iterator[Finding]:
    for key, noun, given, known in (
        ("zones", "zone or line", rule.zones, names.places),
        ("cameras", "camera", rule.cameras, names.cameras),
        ("classes", "class", rule.classes, set(LABELS)),
    ):
        for number, name in enumerate(given):
            if name not in known:
                yield _unknown((*at, key, number), noun, name, known, "remove the rule")
    if rule.schedule is not None and rule.schedule not in names.schedules:
        yield _no_schedule((*at, "schedule"), rule.schedule, names)
    if not rule.thresholds:
        yield Finding((*at, "thresholds"), "the rule changes no threshold", "give one, or remove the rule")


def _repeated(ids: Iterable[tuple[Location, str]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for at, name in ids:
        if name in seen:
            yield Finding((*at, "id"), f"the id {name} is taken already", "give each its own: it is the key of events")
        seen.add(name)


def _time_zone(at: Location, name: str) -> Iterator[Finding]:
    if name not in _zones():
        city = name.rpartition("/")[2].lower()
        meant = [zone for zone in _zones() if zone.rpartition("/")[2].lower() == city]
        near = meant or difflib.get_close_matches(name, _zones(), n=1, cutoff=0.8)
        advice = f"did you mean `{near[0]}`?" if near else "use an IANA name such as `Asia/Seoul`"
        yield Finding(at, f"time zone {name} is unknown", advice)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _unknown(at: Location, noun: str, name: str, known: Iterable[str], none: str) -> Finding:
    return Finding(at, f"unknown {noun} {name}", suggestion(name, known, none=none))
