"""What makes no sense in a site to those who use it: thresholds, rules and URLs that can't do what they are for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from detectors.behaviours.base import Behaviour, BehaviourError
from detectors.behaviours.registry import GROUP, installed
from detectors.correlation.correlator import KINDS, enabled_correlations
from lanewatch.config import error_messages
from lanewatch.config.fields import Schedule
from lanewatch.config.loader import SiteFile
from lanewatch.config.problems import ConfigProblem, Location, Problem, SiteError, suggestion
from lanewatch.config.schedules import longest_overlap
from lanewatch.config.site import BehaviourConfig, Camera, Site, ThresholdRule, Zone
from models import extras
from models.detection import registry as detector_registry
from models.detection.base import ModelMissingError
from models.pose import registry as pose_registry
from streams.sources.url import SourceError, SourceUrl

WAITS = ("dwell_s", "stay_s")
"""How the names of thresholds end that somebody must stay for without leaving, while the zone's schedule holds."""


_NETWORKS = ("detector.name", "detector.pose")


def validate(path: Path | str) -> tuple[Site | None, list[Problem]]:
    """Reads a site file and looks for all that is wrong in it.

    Returns:
        The site, None where the file holds none, and the problems in the file's order; the site is fit for use
        where there are none.
    """
    file = SiteFile(path)
    if file.site is not None:
        file.add(findings(file.site))
    return file.site, file.problems


def load(path: Path | str, *, pictures: bool = True) -> Site:
    """The site that a file describes, fit for use by all that is installed here.

    Args:
        path: the file.
        pictures: whether its cameras' pictures are looked at; who judges kept detections or other footage needs
            neither their sources nor, before they are loaded, the networks.

    Raises:
        SiteError: with a line for every problem that ``lanewatch check`` would name.
    """
    site, problems = validate(path)
    if not pictures:
        problems = [one for one in problems if not one.pointer.endswith(".url") and one.pointer not in _NETWORKS]
    if problems or site is None:
        raise SiteError(problems)
    return site


def findings(site: Site) -> list[ConfigProblem]:
    """What is wrong in a site with its behaviours, their thresholds and rules, its networks and sources."""
    found = [*_networks(site)]
    found += [finding for number, camera in enumerate(site.cameras) for finding in _source(site, camera, number)]
    found += [
        ConfigProblem(
            ("correlations", number), f"unknown correlation {kind}", suggestion(kind, KINDS, none="remove it")
        )
        for number, kind in enumerate(enabled_correlations(site))
        if kind not in KINDS
    ]
    try:
        known = installed()
    except BehaviourError as error:
        return [*found, ConfigProblem(("behaviours",), str(error), "mend that package or uninstall it")]
    for number, composite in enumerate(site.composites):
        if composite.id in known:
            what = f"{composite.id} is a behaviour's kind, and events are told apart by it"
            found.append(ConfigProblem(("composites", number, "id"), what, "choose another id"))
    for kind, watching in site.behaviours.items():
        at: Location = ("behaviours", kind)
        if kind not in known:
            advice = suggestion(kind, known, none="install one")
            plug_in = f"; one of another package is there once that is installed (entry point {GROUP})"
            found.append(ConfigProblem(at, f"unknown behaviour {kind}", advice + plug_in))
            continue
        wrong = [*_values(known[kind], watching, at)]
        found += wrong
        if not wrong and watching.enabled:
            found += _waits(site, known[kind], watching, at)
            found += _rules(site, known[kind], watching, at)
    return found


def _networks(site: Site) -> Iterator[ConfigProblem]:
    """Networks that are not here: a name that is misspelt, or weights that nobody has carried over."""
    wanted = site.detector
    for pointer, name, others, find in (
        ("name", wanted.name, detector_registry.known(), detector_registry.find),
        ("pose", wanted.pose, (pose_registry.BUILT_IN, pose_registry.NONE), pose_registry.find),
    ):
        try:
            if name not in others:
                path = find(name)
                if not extras.gpu_installed():
                    yield ConfigProblem(("detector", pointer), f"{path} needs torch and ultralytics", extras.GPU_HOW)
        except ModelMissingError:
            advice = "of one of ultralytics' give the path; `lanewatch models` lists what is here"
            what = f"there is no model {name} here"
            yield ConfigProblem(("detector", pointer), what, f"{suggestion(name, others, none='')}; {advice}")


def _source(site: Site, camera: Camera, number: int) -> Iterator[ConfigProblem]:
    at: Location = ("cameras", number, "url")
    try:
        address = SourceUrl.parse(camera.url, time_zone="UTC")
        parts = urlsplit(camera.url)
        if address.kind in ("rtsp", "http") and (parts.hostname is None or parts.port == 0):
            yield ConfigProblem(
                at, "the URL names no host", "write it like rtsp://user:${PASSWORD}@10.0.0.5:554/stream"
            )
    except SourceError as error:
        what, _, advice = str(error).partition("; ")
        yield ConfigProblem(at, what, advice or "see docs/site.md")
    except ValueError:
        yield ConfigProblem(at, "the URL's host or port is broken", "percent-encode special characters of the password")
    else:
        if address.kind == "file" and not Path(address.target).exists():
            yield ConfigProblem(at, f"there is no {address.target}", "a path starts from the site file's folder")


def _values(behaviour: type[Behaviour[Any]], watching: BehaviourConfig, at: Location) -> Iterator[ConfigProblem]:
    """Thresholds that the behaviour doesn't take."""
    yield from _invalid(behaviour, watching.thresholds, set(watching.thresholds), (*at, "thresholds"))
    for number, rule in enumerate(watching.rules):
        values = watching.thresholds | rule.thresholds
        yield from _invalid(behaviour, values, set(rule.thresholds), (*at, "rules", number, "thresholds"))


def _invalid(
    behaviour: type[Behaviour[Any]], values: dict[str, Any], given: set[str], at: Location
) -> Iterator[ConfigProblem]:
    try:
        behaviour.Thresholds.model_validate(values)
    except ValidationError as error:
        mine = [one for one in error.errors(include_url=False) if not one["loc"] or one["loc"][0] in given]
        yield from error_messages.problems(behaviour.Thresholds, mine, at)
    for name in sorted(given):
        value = values[name]
        if "score" in name and isinstance(value, int | float) and value >= 1:
            yield ConfigProblem((*at, name), f"`{name}` {value:g} can never be reached", "scores are below 1")
        if name == "classes" and isinstance(value, str) and not value.strip():
            yield ConfigProblem(
                (*at, name), "no class is judged, so nothing is ever raised", "name one, or set enabled: false"
            )


def _waits(
    site: Site, behaviour: type[Behaviour[Any]], watching: BehaviourConfig, at: Location
) -> Iterator[ConfigProblem]:
    """Waits that no schedule of the zones that they are for is long enough for."""
    usual = behaviour.Thresholds.model_validate(watching.thresholds).model_dump()
    for camera in site.cameras:
        for zone in camera.zones:
            open_s = _window(site, camera, zone.schedule) if _judges(behaviour, zone) else math.inf
            if open_s == 0:  # said already: it never holds
                continue
            for place, values in _given(camera, zone, watching, at, usual):
                for name, value in values.items():
                    if name.endswith(WAITS) and isinstance(value, int | float) and value > open_s:
                        what = f"`{name}` {value:g} s can never be reached in zone {zone.id} of camera {camera.id}"
                        yield ConfigProblem(
                            (*place, name),
                            f"{what}: its schedule {zone.schedule} lasts {open_s:g} s at most",
                            "shorten the one or lengthen the other",
                        )


def _judges(behaviour: type[Behaviour[Any]], zone: Zone) -> bool:
    return zone.schedule is not None and zone.kind in behaviour.places


def _given(
    camera: Camera, zone: Zone, watching: BehaviourConfig, at: Location, usual: dict[str, Any]
) -> Iterator[tuple[Location, dict[str, Any]]]:
    yield (*at, "thresholds"), usual
    for number, rule in enumerate(watching.rules):
        if (not rule.cameras or camera.id in rule.cameras) and (not rule.zones or zone.id in rule.zones):
            yield (*at, "rules", number, "thresholds"), rule.thresholds


def _window(site: Site, camera: Camera, *names: str | None) -> float:
    """For how long schedules hold together at a camera at most, seconds; infinite where one of them is unknown."""
    schedules = [site.schedules.get(name, Schedule()) for name in names if name is not None]
    try:
        zone = ZoneInfo(camera.time_zone or site.time_zone)
    except (ValueError, LookupError, OSError):  # it is none, and has its finding
        return math.inf
    return longest_overlap(schedules, zone, camera.latitude, camera.longitude) if schedules else math.inf


def _rules(
    site: Site, behaviour: type[Behaviour[Any]], watching: BehaviourConfig, at: Location
) -> Iterator[ConfigProblem]:
    for number, rule in enumerate(watching.rules):
        place: Location = (*at, "rules", number)
        later = next((n for n in range(number + 1, len(watching.rules)) if _hides(watching.rules[n], rule)), None)
        if later is not None:
            what = f"rule {number + 1} is hidden by rule {later + 1}: of all that match, the last one wins"
            yield ConfigProblem(place, what, "put the general rule before the special one")
        if not _meets(site, rule):
            what = "the rule never applies: its zones, cameras and schedules have nothing in common"
            yield ConfigProblem(place, what, "name zones of those cameras, and a time at which they are watched")
        applying = behaviour.Thresholds.model_validate(watching.thresholds | rule.thresholds)
        judged = str(getattr(applying, "classes", "")).split()
        if judged and rule.classes and not set(judged) & set(rule.classes):
            what = f"the rule is for {', '.join(rule.classes)}, which `classes` leaves out"
            yield ConfigProblem((*place, "classes"), what, "name them in `classes` too, or remove the rule")


def _hides(later: ThresholdRule, rule: ThresholdRule) -> bool:
    return (
        set(rule.thresholds) <= set(later.thresholds)
        and later.schedule in (None, rule.schedule)
        and all(
            not over or (under and set(under) <= set(over))
            for over, under in (
                (later.zones, rule.zones),
                (later.cameras, rule.cameras),
                (later.classes, rule.classes),
            )
        )
    )


def _meets(site: Site, rule: ThresholdRule) -> bool:
    """Whether there is a place and a time for a rule. Broken names count as if there were: they have their finding."""
    if not rule.zones and not rule.cameras and rule.schedule is None:
        return True
    cameras = [camera for camera in site.cameras if not rule.cameras or camera.id in rule.cameras]
    places = [(camera, part) for camera in cameras for part in camera.places]
    chosen = [(camera, part) for camera, part in places if not rule.zones or part.id in rule.zones]
    if not cameras or (not chosen and not _all_known(site, rule)):
        return True
    if rule.schedule is None or not chosen:
        return bool(chosen) or not rule.zones
    return any(_window(site, camera, rule.schedule, part.schedule) > 0 for camera, part in chosen)


def _all_known(site: Site, rule: ThresholdRule) -> bool:
    known = {part.id for camera in site.cameras for part in camera.places}
    return set(rule.zones) <= known
