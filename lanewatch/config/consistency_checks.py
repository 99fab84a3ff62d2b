"""Checks across the parts of a site whose single values are all valid: references, shapes and times."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from lanewatch import geometry
from lanewatch.config import kafka_checks
from lanewatch.config.problems import ConfigProblem, Location, suggestion
from lanewatch.config.schedules import longest_overlap
from lanewatch.config.sequences import OFF_LANE, Condition, EventSequence
from lanewatch.config.site import Camera, Line, Point, RegisteredVisit, Site, ThresholdRule, Zone
from lanewatch.records import LABELS

MIN_ZONE_AREA = 0.0005
"""Share of the frame under which a zone is refused: 16 x 16 pixels at 960 x 540, where a foot point jitters by 5."""
MIN_LINE_LENGTH = 0.02
"""Length in fractions under which a line is refused: a walker's stride at 960 x 540 is as long."""
LINE_MARGIN = 0.03
"""Fraction of the frame that must lie on each side of a line. A box ends at the frame, so a foot is never beyond it.
A track needs 16 pixels of 540 to be detected on the far side before it is lost."""
MIN_UNCOVERED = 0.02
"""Share of a zone that must be free of masks: hand-drawn masks never fit exactly."""
ZONE_KINDS = ("watch", "closed", "produce", "lane")
"""Kinds of zones in which events can happen."""


def problems(site: Site) -> list[ConfigProblem]:
    """All problems across the parts of a site, except those that only the behaviours can find."""
    return [*_SiteChecks(site).problems()]


class _SiteChecks:
    """The checks of one site, with the names that its parts may refer to."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._cameras = {camera.id for camera in site.cameras}
        self._places = {place.id for camera in site.cameras for place in camera.places}

    def problems(self) -> Iterator[ConfigProblem]:
        site = self._site
        yield from _repeated_ids((("cameras", index), camera.id) for index, camera in enumerate(site.cameras))
        yield from _time_zone(("time_zone",), site.time_zone)
        for index, camera in enumerate(site.cameras):
            yield from self._camera(camera, ("cameras", index))
        yield from _repeated_ids((("bells", index), bell.id) for index, bell in enumerate(site.bells))
        for index, bell in enumerate(site.bells):
            if bell.camera is not None and bell.camera not in self._cameras:
                yield _unknown(("bells", index, "camera"), "camera", bell.camera, self._cameras, "remove it")
        for kind, behaviour in site.behaviours.items():
            for index, rule in enumerate(behaviour.rules):
                yield from self._rule(rule, ("behaviours", kind, "rules", index))
        sequences = [(("composites", index), sequence) for index, sequence in enumerate(site.composites)]
        yield from _repeated_ids((location, sequence.id) for location, sequence in sequences)
        for location, sequence in sequences:
            yield from self._sequence(sequence, location)
        for index, visit in enumerate(site.visits):
            yield from self._visit(visit, ("visits", index))
        yield from kafka_checks.problems(site.kafka, ("kafka",))

    def _camera(self, camera: Camera, at: Location) -> Iterator[ConfigProblem]:
        places: list[tuple[Location, Zone | Line]] = [
            *(((*at, "zones", index), zone) for index, zone in enumerate(camera.zones)),
            *(((*at, "lines", index), line) for index, line in enumerate(camera.lines)),
        ]
        yield from _repeated_ids((location, place.id) for location, place in places)
        if camera.time_zone is not None:
            yield from _time_zone((*at, "time_zone"), camera.time_zone)
        if camera.rate.idle > camera.rate.active:
            what = f"the idle rate {camera.rate.idle:g} is above the active rate {camera.rate.active:g}"
            yield ConfigProblem((*at, "rate"), what, "a camera without motion is sampled less often: exchange them")
        covers = [zone.polygon for zone in camera.zones if zone.kind == "ignore" and _is_sound(zone.polygon)]
        covers += [mask for mask in camera.masks if _is_sound(mask)]
        for index, mask in enumerate(camera.masks):
            yield from _polygon((*at, "masks", index), "the mask", mask, min_area=0.0)
        for location, place in places:
            if isinstance(place, Zone):
                yield from self._schedule_name((*location, "owner_hours"), place.owner_hours)
                yield from _zone(place, location, covers)
            else:
                yield from _line(place, location, covers)
            yield from self._schedule(camera, place, (*location, "schedule"))

    def _schedule(self, camera: Camera, place: Zone | Line, at: Location) -> Iterator[ConfigProblem]:
        yield from self._schedule_name(at, place.schedule)
        schedule = self._site.schedules.get(place.schedule or "")
        time_zone = camera.time_zone or self._site.time_zone
        if schedule is None or time_zone not in _time_zones():
            return
        if longest_overlap([schedule], ZoneInfo(time_zone), camera.latitude, camera.longitude) == 0:
            what = f"schedule {place.schedule} never holds at this camera, so {place.id} is never watched"
            yield ConfigProblem(at, what, "let its hours, days and sun overlap")

    def _sequence(self, sequence: EventSequence, at: Location) -> Iterator[ConfigProblem]:
        for index, schedule in enumerate(sequence.when):
            if isinstance(schedule, str):
                yield from self._schedule_name((*at, "when", index), schedule)
        for index, mitigation in enumerate(sequence.lowerers):
            yield from self._schedule_name((*at, "lowerers", index, "schedule"), mitigation.schedule)
        conditions: list[tuple[Location, Condition]] = [
            ((*at, "raisers", index), escalation) for index, escalation in enumerate(sequence.raisers)
        ]
        for number, step in enumerate(sequence.steps):
            conditions.append(((*at, "steps", number), step))
            conditions += [
                ((*at, "steps", number, "otherwise", index), other) for index, other in enumerate(step.otherwise)
            ]
        places = {*self._places, *ZONE_KINDS, OFF_LANE}
        for location, condition in conditions:
            yield from _names((*location, "where"), "zone or kind of zone", condition.where, places)

    def _visit(self, visit: RegisteredVisit, at: Location) -> Iterator[ConfigProblem]:
        yield from _names((*at, "cameras"), "camera", visit.cameras, self._cameras)
        yield from _names((*at, "zones"), "zone", visit.zones, self._places)
        if visit.until <= visit.since:
            yield ConfigProblem((*at, "until"), "the visit ends before it begins", "exchange `since` and `until`")

    def _rule(self, rule: ThresholdRule, at: Location) -> Iterator[ConfigProblem]:
        yield from _names((*at, "zones"), "zone or line", rule.zones, self._places, "remove the rule")
        yield from _names((*at, "cameras"), "camera", rule.cameras, self._cameras, "remove the rule")
        yield from _names((*at, "classes"), "class", rule.classes, LABELS, "remove the rule")
        yield from self._schedule_name((*at, "schedule"), rule.schedule)
        if not rule.thresholds:
            yield ConfigProblem((*at, "thresholds"), "the rule changes no threshold", "add one, or remove the rule")

    def _schedule_name(self, at: Location, name: str | None) -> Iterator[ConfigProblem]:
        if name is not None and name not in self._site.schedules:
            yield _unknown(at, "schedule", name, self._site.schedules, "write it under `schedules`")


def _zone(zone: Zone, at: Location, covers: Sequence[Sequence[Point]]) -> Iterator[ConfigProblem]:
    wrong = [*_polygon((*at, "polygon"), f"zone {zone.id}", zone.polygon, min_area=MIN_ZONE_AREA)]
    yield from wrong
    if not wrong and zone.kind != "ignore":
        yield from _hidden((*at, "polygon"), f"zone {zone.id}", zone.polygon, covers)
    if zone.direction is None:
        return
    if zone.kind != "lane":
        yield ConfigProblem((*at, "direction"), f"zone {zone.id} has a direction but is no lane", "make it a lane")
    if math.dist(*zone.direction) < MIN_LINE_LENGTH:
        what = f"the direction of zone {zone.id} is too short to point anywhere"
        fix = f"put its points at least {MIN_LINE_LENGTH:.0%} of the frame apart"
        yield ConfigProblem((*at, "direction"), what, fix)


def _line(line: Line, at: Location, covers: Sequence[Sequence[Point]]) -> Iterator[ConfigProblem]:
    (x0, y0), (x1, y1) = line.points
    length = math.dist(*line.points)
    if length < MIN_LINE_LENGTH:
        what = f"line {line.id} is {length:.1%} of the frame long, too short to be crossed"
        yield ConfigProblem((*at, "points"), what, f"put its points at least {MIN_LINE_LENGTH:.0%} of the frame apart")
        return
    if line.kind == "fence" and line.direction != "both":
        what = f"line {line.id} is a fence, which is climbed either way"
        yield ConfigProblem((*at, "direction"), what, "remove its direction")
    dx, dy = (y0 - y1) / length * LINE_MARGIN, (x1 - x0) / length * LINE_MARGIN
    strip = [(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)]
    yield from _hidden((*at, "points"), f"line {line.id}", strip, covers)
    shares = [k / 10 for k in range(11)]
    for side in (1, -1):
        beside = [(x0 + (x1 - x0) * share + side * dx, y0 + (y1 - y0) * share + side * dy) for share in shares]
        if 2 * sum(0 <= x <= 1 and 0 <= y <= 1 for x, y in beside) < len(shares):
            what = f"line {line.id} is too near the frame's edge: a foot can't be seen on both sides of it"
            yield ConfigProblem((*at, "points"), what, f"leave {LINE_MARGIN:.0%} of the frame or more on each side")


def _hidden(
    at: Location, name: str, polygon: Sequence[Point], covers: Sequence[Sequence[Point]]
) -> Iterator[ConfigProblem]:
    if covers and geometry.uncovered(polygon, covers) < MIN_UNCOVERED:
        what = f"{name} lies wholly under privacy masks or zones that are ignored"
        yield ConfigProblem(at, what, "nothing can be seen there: move it, or make them smaller")


def _polygon(at: Location, name: str, polygon: Sequence[Point], min_area: float) -> Iterator[ConfigProblem]:
    crossing = geometry.self_crossing(polygon)
    area = geometry.area(polygon)
    if crossing is not None:
        what = f"{name} crosses or touches itself ({crossing})"
        yield ConfigProblem(at, what, "give its corners in order along its border")
    elif area <= min_area:
        what = f"{name} covers {area:.2%} of the frame, too little for a foot point"
        yield ConfigProblem(at, what, "draw it larger, or remove it")


def _is_sound(polygon: Sequence[Point]) -> bool:
    return geometry.self_crossing(polygon) is None and geometry.area(polygon) > 0


def _repeated_ids(ids: Iterable[tuple[Location, str]]) -> Iterator[ConfigProblem]:
    seen: set[str] = set()
    for at, name in ids:
        if name in seen:
            what = f"the id {name} is used twice"
            yield ConfigProblem((*at, "id"), what, "give each its own: it is the key of events")
        seen.add(name)


def _time_zone(at: Location, name: str) -> Iterator[ConfigProblem]:
    if name not in _time_zones():
        city = name.rpartition("/")[2].lower()
        same_city = [zone for zone in _time_zones() if zone.rpartition("/")[2].lower() == city]
        near = same_city or difflib.get_close_matches(name, _time_zones(), n=1, cutoff=0.8)
        fix = f"did you mean `{near[0]}`?" if near else "use an IANA name such as `Asia/Seoul`"
        yield ConfigProblem(at, f"time zone {name} is unknown", fix)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _names(
    at: Location, noun: str, names: Sequence[str], known: Collection[str], fix: str = "remove it"
) -> Iterator[ConfigProblem]:
    for index, name in enumerate(names):
        if name not in known:
            yield _unknown((*at, index), noun, name, known, fix)


def _unknown(at: Location, noun: str, name: str, known: Iterable[str], fix: str) -> ConfigProblem:
    return ConfigProblem(at, f"unknown {noun} {name}", suggestion(name, known, none=fix))
