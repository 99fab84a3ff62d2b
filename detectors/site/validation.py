"""Validation of a site beyond its fields: thresholds, rules, networks and URLs that cannot work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
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

RESERVED = frozenset(" /?#@[]<>\"'\\")
"""Characters that a user or a password must not have in a URL, unless percent-encoded (RFC 3986)."""
DWELL_SUFFIXES = ("dwell_s", "stay_s")
"""Endings of the names of dwell thresholds, which must fit into the zone's schedule."""
_NETWORKS = ("detector.name", "detector.pose")


def validate(path: Path | str) -> tuple[Site | None, list[Problem]]:
    """Reads a site file: the site, or None if the file has none, and all problems in the file's order."""
    file = SiteFile(path)
    if file.site is not None:
        file.add(findings(file.site))
    return file.site, file.problems


def load(path: Path | str, *, pictures: bool = True) -> Site:
    """Reads a valid site.

    Without ``pictures``, as for scoring of archived detections, neither sources nor networks need to exist.

    Raises:
        SiteError: the file has problems; the message has the lines of ``lanewatch check``.
    """
    site, problems = validate(path)
    if not pictures:
        problems = [item for item in problems if not item.pointer.endswith(".url") and item.pointer not in _NETWORKS]
    if problems or site is None:
        raise SiteError(problems)
    return site


def findings(site: Site) -> list[ConfigProblem]:
    """The problems of a site's behaviours, thresholds, rules, networks and sources."""
    found = [*_networks(site)]
    found += [finding for number, camera in enumerate(site.cameras) for finding in _source(site, camera, number)]
    for number, kind in enumerate(enabled_correlations(site)):
        if kind not in KINDS:
            fix = suggestion(kind, KINDS, none="remove it")
            found.append(ConfigProblem(("correlations", number), f"unknown correlation {kind}", fix))
    try:
        known = installed()
    except BehaviourError as error:
        return [*found, ConfigProblem(("behaviours",), str(error), "repair that package or uninstall it")]
    for number, composite in enumerate(site.composites):
        if composite.id in known:
            what = f"{composite.id} is a behaviour's kind already"
            found.append(ConfigProblem(("composites", number, "id"), what, "choose another id"))
    for kind, config in site.behaviours.items():
        at: Location = ("behaviours", kind)
        if kind not in known:
            advice = suggestion(kind, known, none="install one")
            plug_in = f"; a behaviour of another package must be installed (entry point {GROUP})"
            found.append(ConfigProblem(at, f"unknown behaviour {kind}", advice + plug_in))
            continue
        invalid = [*_values(known[kind], config, at)]
        found += invalid
        if not invalid and config.enabled:
            found += _unreachable_dwells(site, known[kind], config, at)
            found += _useless_rules(site, known[kind], config, at)
    return found


def _networks(site: Site) -> Iterator[ConfigProblem]:
    """Missing networks: a misspelt name, or weights that are not on this machine."""
    config = site.detector
    for pointer, name, others, find in (
        ("name", config.name, detector_registry.known(), detector_registry.find),
        ("pose", config.pose, (pose_registry.BUILT_IN, pose_registry.NONE), pose_registry.find),
    ):
        try:
            if name not in others:
                path = find(name)
                if not extras.gpu_installed():
                    yield ConfigProblem(("detector", pointer), f"{path} needs torch and ultralytics", extras.GPU_HOW)
        except ModelMissingError:
            advice = "give the path of an ultralytics model; `lanewatch models` lists the models of this machine"
            what = f"there is no model {name} here"
            yield ConfigProblem(("detector", pointer), what, f"{suggestion(name, others, none='')}; {advice}")


def _user_info(url: str) -> str:
    """User and password of a network camera's URL: everything before the last ``@``, quoted or not."""
    return url.partition("://")[2].rpartition("@")[0]


def _source(site: Site, camera: Camera, number: int) -> Iterator[ConfigProblem]:
    at: Location = ("cameras", number, "url")
    try:
        address = SourceUrl.parse(camera.url, time_zone="UTC")
        parts = urlsplit(camera.url)
        unquoted = sorted({mark for mark in _user_info(camera.url) if mark in RESERVED})
        if address.kind in ("rtsp", "http") and unquoted:
            marks = " ".join(f"{'a blank' if mark == ' ' else mark} as {quote(mark, safe='')}" for mark in unquoted)
            yield ConfigProblem(at, "user or password has characters that end a URL's parts", f"write {marks}")
        elif address.kind in ("rtsp", "http") and (parts.hostname is None or parts.port == 0):
            fix = "write it like rtsp://user:${PASSWORD}@10.0.0.5:554/stream"
            yield ConfigProblem(at, "the URL names no host", fix)
    except SourceError as error:
        what, _, advice = str(error).partition("; ")
        yield ConfigProblem(at, what, advice or "see docs/site.md")
    except ValueError:
        yield ConfigProblem(at, "the URL's host or port is broken", "percent-encode special characters of the password")
    else:
        if address.kind == "file" and not Path(address.target).exists():
            yield ConfigProblem(at, f"there is no {address.target}", "a path starts from the site file's folder")


def _values(behaviour: type[Behaviour[Any]], config: BehaviourConfig, at: Location) -> Iterator[ConfigProblem]:
    """Thresholds that the behaviour does not have, or values out of range."""
    yield from _invalid(behaviour, config.thresholds, set(config.thresholds), (*at, "thresholds"))
    for number, rule in enumerate(config.rules):
        values = config.thresholds | rule.thresholds
        yield from _invalid(behaviour, values, set(rule.thresholds), (*at, "rules", number, "thresholds"))


def _invalid(
    behaviour: type[Behaviour[Any]], values: dict[str, Any], names: set[str], at: Location
) -> Iterator[ConfigProblem]:
    try:
        behaviour.Thresholds.model_validate(values)
    except ValidationError as error:
        errors = [item for item in error.errors(include_url=False) if not item["loc"] or item["loc"][0] in names]
        yield from error_messages.problems(behaviour.Thresholds, errors, at)
    for name in sorted(names):
        value = values[name]
        if "score" in name and isinstance(value, int | float) and value >= 1:
            yield ConfigProblem((*at, name), f"`{name}` {value:g} can never be reached", "scores are below 1")
        if name == "classes" and isinstance(value, str) and not value.strip():
            what = "no class is evaluated, so no event is ever raised"
            yield ConfigProblem((*at, name), what, "name one, or set enabled: false")


def _unreachable_dwells(
    site: Site, behaviour: type[Behaviour[Any]], config: BehaviourConfig, at: Location
) -> Iterator[ConfigProblem]:
    """Dwell thresholds that are longer than the schedule of their zone."""
    defaults = behaviour.Thresholds.model_validate(config.thresholds).model_dump()
    for camera in site.cameras:
        for zone in camera.zones:
            open_s = _longest_time(site, camera, zone.schedule) if zone.kind in behaviour.places else math.inf
            if open_s == 0:  # reported already: it never holds
                continue
            for place, values in _dwell_values(camera, zone, config, at, defaults):
                for name, value in values.items():
                    if name.endswith(DWELL_SUFFIXES) and isinstance(value, int | float) and value > open_s:
                        what = f"`{name}` {value:g} s can never be reached in zone {zone.id} of camera {camera.id}"
                        what += f": its schedule {zone.schedule} lasts {open_s:g} s at most"
                        yield ConfigProblem((*place, name), what, "shorten the threshold or lengthen the schedule")


def _dwell_values(
    camera: Camera, zone: Zone, config: BehaviourConfig, at: Location, defaults: dict[str, Any]
) -> Iterator[tuple[Location, dict[str, Any]]]:
    yield (*at, "thresholds"), defaults
    for number, rule in enumerate(config.rules):
        if (not rule.cameras or camera.id in rule.cameras) and (not rule.zones or zone.id in rule.zones):
            yield (*at, "rules", number, "thresholds"), rule.thresholds


def _longest_time(site: Site, camera: Camera, *names: str | None) -> float:
    """The longest time for which all schedules hold at a camera, seconds; infinite if the time zone is unknown."""
    schedules = [site.schedules.get(name, Schedule()) for name in names if name is not None]
    try:
        zone = ZoneInfo(camera.time_zone or site.time_zone)
    except (ValueError, LookupError, OSError):  # it is invalid, and has its finding
        return math.inf
    return longest_overlap(schedules, zone, camera.latitude, camera.longitude) if schedules else math.inf


def _useless_rules(
    site: Site, behaviour: type[Behaviour[Any]], config: BehaviourConfig, at: Location
) -> Iterator[ConfigProblem]:
    for number, rule in enumerate(config.rules):
        place: Location = (*at, "rules", number)
        later = next((n for n in range(number + 1, len(config.rules)) if _overrides(config.rules[n], rule)), None)
        if later is not None:
            what = f"rule {number + 1} is hidden by rule {later + 1}: of all that match, the last one wins"
            yield ConfigProblem(place, what, "put the general rule before the special one")
        if not _can_apply(site, rule):
            what = "the rule never applies: its zones, cameras and schedules have nothing in common"
            yield ConfigProblem(place, what, "name zones of those cameras, and a time at which they are watched")
        applying = behaviour.Thresholds.model_validate(config.thresholds | rule.thresholds)
        evaluated = str(getattr(applying, "classes", "")).split()
        if evaluated and rule.classes and not set(evaluated) & set(rule.classes):
            what = f"the rule is for {', '.join(rule.classes)}, which `classes` omits"
            yield ConfigProblem((*place, "classes"), what, "name them in `classes` too, or remove the rule")


def _overrides(later: ThresholdRule, rule: ThresholdRule) -> bool:
    return (
        set(rule.thresholds) <= set(later.thresholds)
        and later.schedule in (None, rule.schedule)
        and all(
            not over or (under and set(under) <= set(over))
            for over, under in ((later.zones, rule.zones), (later.cameras, rule.cameras), (later.classes, rule.classes))
        )
    )


def _can_apply(site: Site, rule: ThresholdRule) -> bool:
    """Whether a rule has a zone and a time. Unknown names count as if it had: they have their finding."""
    if not rule.zones and not rule.cameras and rule.schedule is None:
        return True
    cameras = [camera for camera in site.cameras if not rule.cameras or camera.id in rule.cameras]
    places = [(camera, part) for camera in cameras for part in camera.places]
    chosen = [(camera, part) for camera, part in places if not rule.zones or part.id in rule.zones]
    known = {part.id for camera in site.cameras for part in camera.places}
    if not cameras or (not chosen and not set(rule.zones) <= known):
        return True
    if rule.schedule is None or not chosen:
        return bool(chosen) or not rule.zones
    return any(_longest_time(site, camera, rule.schedule, part.schedule) > 0 for camera, part in chosen)
